import { runMachineOf } from '#machines/registry.js';
import { stateOf } from '#machines/kernel/kernel.js';
import { legalCommands } from '#machines/run/run.decide.js';
import { statusOf } from '#machines/run/run.effects.js';
import { getNextTransitions, type AnyStateNode } from 'xstate';
import type { RunState } from '../runs/run-state.js';

/** A node of a machine's definition, as JSON. */
export interface NodeDefinition {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly initial?: { readonly target: readonly string[] };
  readonly states: Readonly<Record<string, NodeDefinition>>;
  readonly transitions: readonly {
    readonly eventType: string;
    readonly target?: readonly string[];
    readonly source: string;
  }[];
}

/** The run's machine: what it is, where it is, what may come next, and a picture of it in Mermaid. */
export function describeMachine(state: RunState) {
  const machine = runMachineOf(state.machine);
  const definition = withAlways(asJson(machine.toJSON()) as NodeDefinition, machine.root);
  const active = stateOf(state.snapshot);
  return {
    machine: state.machine,
    rev: state.rev,
    status: statusOf(state.snapshot),
    active: active.split('.').map((_, index, path) => path.slice(0, index + 1).join('.')),
    events: [
      ...new Set(
        getNextTransitions(state.snapshot)
          .map((transition) => transition.eventType)
          .filter(Boolean),
      ),
    ],
    commands: legalCommands(state.snapshot, new Date().toISOString()),
    definition,
    mermaid: toMermaid(definition, active),
  };
}

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** XState's own JSON leaves out the transitions that need no event. */
function withAlways(definition: NodeDefinition, node: AnyStateNode): NodeDefinition {
  const always = asJson(node.always ?? []) as NodeDefinition['transitions'];
  const states = Object.entries(definition.states).map(([key, child]) => [
    key,
    withAlways(child, node.states[key]!),
  ]);
  return {
    ...definition,
    transitions: [...definition.transitions, ...always],
    states: Object.fromEntries(states) as NodeDefinition['states'],
  };
}

/** A `stateDiagram-v2` of a machine, with the active state marked. */
export function toMermaid(root: NodeDefinition, active?: string): string {
  const lines = ['stateDiagram-v2', ...nodeLines(root, '  '), ...arrowLines(root, root.id)];
  if (active)
    lines.push('  classDef active fill:#cfe8ff,stroke:#0b57b7', `  class ${active.split('.').at(-1)} active`);
  return `${lines.join('\n')}\n`;
}

function nodeLines(node: NodeDefinition, indent: string): string[] {
  // XState gives a leaf an `initial` too, without a target.
  const start = (node.initial?.target ?? []).map((first) => `${indent}[*] --> ${keyOf(first)}`);
  const inner = Object.values(node.states).flatMap((child) => {
    if (child.type === 'history') return [];
    const nested = nodeLines(child, `${indent}  `);
    if (nested.length === 0) return [`${indent}${child.key}`];
    return [`${indent}state ${child.key} {`, ...nested, `${indent}}`];
  });
  return [...start, ...inner];
}

function arrowLines(node: NodeDefinition, rootId: string): string[] {
  const own = node.transitions.flatMap(({ eventType, target }) =>
    (target ?? []).map((to) => `  ${node.key} --> ${keyOf(to)}${eventType ? `: ${eventType}` : ''}`),
  );
  const inner = Object.values(node.states).flatMap((child) => arrowLines(child, rootId));
  return [...new Set([...(node.id === rootId ? [] : own), ...inner])];
}

/** `#run.active.executing` → `executing`; a history state is drawn as the state it belongs to. */
const keyOf = (id: string): string => {
  const path = id.replace(/^#/, '').split('.');
  return path.at(-1) === 'hist' ? path.at(-2)! : path.at(-1)!;
};
