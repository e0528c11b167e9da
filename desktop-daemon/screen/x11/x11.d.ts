/** The parts of the package `x11` that are used here; it brings no types of its own. */
declare module 'x11' {
  import type { EventEmitter } from 'node:events';

  type Answer<T> = (error: Error | null, value: T) => void;

  export interface XEvent {
    readonly type: number;
    readonly name?: string;
    /** XInput: key code, or number of the button. */
    readonly detail?: number;
    readonly deviceId?: number;
    readonly sourceId?: number;
    readonly flags?: number;
  }
  export interface Geometry {
    readonly windowid: number;
    readonly xPos: number;
    readonly yPos: number;
    readonly width: number;
    readonly height: number;
  }
  export interface Property {
    readonly type: number;
    readonly format: number;
    readonly data: Buffer;
  }

  export interface XClient extends EventEmitter {
    QueryExtension(name: string, answer: Answer<{ present: number }>): void;
    MapWindow(window: number): void;
    InternAtom(onlyIfExists: boolean, name: string, answer: Answer<number>): void;
    GetProperty(
      remove: number,
      window: number,
      property: number,
      type: number,
      offset: number,
      length: number,
      answer: Answer<Property>,
    ): void;
    SendEvent(window: number, propagate: number, eventMask: number, event: Buffer): void;
    QueryPointer(window: number, answer: Answer<{ rootX: number; rootY: number; keyMask: number }>): void;
    QueryTree(window: number, answer: Answer<{ children: number[] }>): void;
    GetWindowAttributes(window: number, answer: Answer<{ overrideRedirect: number; mapState: number }>): void;
    GetGeometry(drawable: number, answer: Answer<Geometry>): void;
    TranslateCoordinates(
      from: number,
      to: number,
      x: number,
      y: number,
      answer: Answer<{ destX: number; destY: number }>,
    ): void;
    GetInputFocus(answer: Answer<unknown>): void;
    SetInputFocus(window: number, revertTo: number): void;
    ConfigureWindow(window: number, values: Record<string, number>): void;
    RaiseWindow(window: number): void;
    DestroyWindow(window: number): void;
    AllocID(): number;
    CreateWindow(
      id: number,
      parent: number,
      x: number,
      y: number,
      width: number,
      height: number,
      ...more: unknown[]
    ): void;
    ChangeProperty(
      mode: number,
      window: number,
      name: number,
      type: number,
      units: number,
      data: Buffer,
    ): void;
    SetSelectionOwner(owner: number, selection: number): void;
    GetKeyboardMapping(first: number, count: number, answer: Answer<number[][]>): void;
    ChangeKeyboardMapping(first: number, perCode: number, keysyms: readonly number[]): void;
    GrabKeyboard(
      window: number,
      ownerEvents: number,
      time: number,
      pointerMode: number,
      keyboardMode: number,
      answer: Answer<number>,
    ): void;
    UngrabKeyboard(time: number): void;
    require<T>(extension: string, answer: Answer<T>): void;
    terminate(): void;
  }

  export interface XDisplay {
    readonly client: XClient;
    readonly screen: readonly {
      readonly root: number;
      readonly pixel_width: number;
      readonly pixel_height: number;
    }[];
    readonly min_keycode: number;
    readonly max_keycode: number;
  }

  export interface XTest {
    readonly KeyPress: number;
    readonly KeyRelease: number;
    FakeInput(type: number, code: number, time: number, window: number, x: number, y: number): void;
  }
  export interface Xkb {
    GetState(device: number, answer: Answer<{ lockedMods: number; group: number }>): void;
  }
  export interface XInput {
    readonly AllMasterDevices: number;
    readonly EventType: Record<string, number>;
    readonly xi2: { majorVersion: number } | null;
    XISelectEvents(window: number, masks: { deviceId: number; mask: readonly string[] }[]): void;
    ListInputDevices(answer: Answer<{ id: number; name: string }[]>): void;
  }
  export interface Xinerama {
    QueryScreens(answer: Answer<{ x: number; y: number; width: number; height: number }[]>): void;
  }
  export function createClient(
    options: { display: string },
    answer: (error: Error | undefined, display: XDisplay) => void,
  ): XClient;
}
