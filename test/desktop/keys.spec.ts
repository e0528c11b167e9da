import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DESKTOP_ERRORS } from '#events/desktop.js';
import { desktopActions, READ_ONLY_DESKTOP_ACTIONS } from '#events/actions/desktop.js';
import { acts } from '../../desktop-daemon/actions/acts.js';
import { DeskError } from '../../desktop-daemon/errors.js';
import { canonicalKey, keysymOf } from '../../desktop-daemon/keys.js';
import { placesOn } from '../../desktop-daemon/places.js';
import { keysymsOfText, readKeymap } from '../../desktop-daemon/screen/x11/keymap.js';
import { createOwnInput } from '../../desktop-daemon/screen/x11/own-input.js';
import { readSettings, SettingsError } from '../../desktop-daemon/settings.js';
import { isAuthorized } from '../../desktop-daemon/token.js';

describe('a key', () => {
  it.each([
    ['Return', 'enter'],
    ['ENTER', 'enter'],
    ['Page_Up', 'page_up'],
    ['pgup', 'page_up'],
    ['ctrlleft', 'ctrl'],
    ['Control', 'ctrl'],
    ['Super_L', 'meta'],
    ['win', 'meta'],
    ['ArrowLeft', 'left'],
    ['F12', 'f12'],
    ['f24', 'f24'],
    ['a', 'a'],
    ['A', 'A'],
    ['ß', 'ß'],
    ['漢', '漢'],
    ['+', '+'],
  ])('called %s is %s', (name, key) => {
    expect(canonicalKey(name)).toBe(key);
  });

  it.each(['f25', 'hyper', '', 'ab', '\n', '\u001b'])('called %j there is not', (name) => {
    expect(() => canonicalKey(name)).toThrow(DeskError);
  });

  it.each([
    ['enter', 0xff0d],
    ['kp_enter', 0xff8d],
    ['f1', 0xffbe],
    ['f24', 0xffd5],
    ['a', 0x61],
    ['é', 0xe9],
    ['€', 0x010020ac],
    ['🎉', 0x0101f389],
  ])('%s is X11’s keysym', (key, keysym) => {
    expect(keysymOf(key)).toBe(keysym);
  });

  it('of a text is one a character, with line ends and tabs as keys', () => {
    expect(keysymsOfText('a\r\nb\n\t🎉')).toEqual([0x61, 0xff0d, 0x62, 0xff0d, 0xff09, 0x0101f389]);
  });
});

describe('a keyboard', () => {
  const rows = [[0, 0], [0x61, 0x41, 0x6c6, 0x6e6], [0x31, 0x21], [0x7a], [0xfe52, 0xb0]];

  it('is read with the layout that is chosen', () => {
    const us = readKeymap(rows, 10, 0);
    expect(us.strokeOf(0x61)).toEqual({ code: 11, shift: false });
    expect(us.strokeOf(0x41)).toEqual({ code: 11, shift: true });
    expect(us.strokeOf(0x21)).toEqual({ code: 12, shift: true });
    expect(us.strokeOf(0x5a)).toEqual({ code: 13, shift: true });
    expect(us.spare).toEqual([10]);
    const ru = readKeymap(rows, 10, 1);
    expect(ru.strokeOf(0x61)).toBeUndefined();
    expect(ru.strokeOf(0x6c6)).toEqual({ code: 11, shift: false });
  });

  it('does not take a key that composes accents for the accent', () => {
    expect(readKeymap(rows, 10, 0).strokeOf(0x5e)).toBeUndefined();
  });
});

describe('what the daemon has pressed itself', () => {
  it('is told from what a person presses, once for each press, and forgotten after a while', () => {
    let time = 0;
    const own = createOwnInput(() => time);
    own.expectKey(38);
    own.expectButton(4, 2);
    expect(own.isOwn('key', 38)).toBe(true);
    expect(own.isOwn('key', 38)).toBe(false);
    expect([own.isOwn('button', 4), own.isOwn('button', 4), own.isOwn('button', 4)]).toEqual([
      true,
      true,
      false,
    ]);
    own.expectKey(39);
    time = 60_000;
    own.forgetOld();
    expect(own.isOwn('key', 39)).toBe(false);
  });
});

describe('places', () => {
  const size = fc.record({
    width: fc.integer({ min: 16, max: 4000 }),
    height: fc.integer({ min: 16, max: 4000 }),
  });

  it('of a frame are always on the screen, corner to corner', () => {
    fc.assert(
      fc.property(size, size, fc.double({ min: 0, max: 1, noNaN: true }), (screen, frame, share) => {
        const { toScreen } = placesOn(screen, frame);
        const at = { x: Math.floor(share * (frame.width - 1)), y: Math.floor(share * (frame.height - 1)) };
        const { x, y } = toScreen(at);
        expect(x).toBeGreaterThanOrEqual(0);
        expect(y).toBeLessThan(screen.height);
        expect(x).toBeLessThan(screen.width);
        expect(Number.isInteger(x) && Number.isInteger(y)).toBe(true);
      }),
    );
  });

  it('stay themselves without a frame', () => {
    const { toScreen, toFrame, regionToScreen } = placesOn({ width: 1280, height: 800 }, undefined);
    expect(toScreen({ x: 1279, y: 799 })).toEqual({ x: 1279, y: 799 });
    expect(toFrame({ x: 3, y: 4 })).toEqual({ x: 3, y: 4 });
    expect(regionToScreen({ x: 0, y: 0, width: 1280, height: 800 })).toEqual({
      x: 0,
      y: 0,
      width: 1280,
      height: 800,
    });
  });

  it('seen in a larger screen come back to where they were', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 639 }), fc.integer({ min: 0, max: 399 }), (x, y) => {
        const { toScreen, toFrame } = placesOn({ width: 1920, height: 1200 }, { width: 640, height: 400 });
        expect(toFrame(toScreen({ x, y }))).toEqual({ x, y });
      }),
    );
  });
});

describe('the vocabulary', () => {
  it('has a way to do every action, and looks that are actions', () => {
    expect(Object.keys(acts).sort()).toEqual(Object.keys(desktopActions).sort());
    for (const name of READ_ONLY_DESKTOP_ACTIONS) expect(Object.keys(desktopActions)).toContain(name);
  });

  it('says of every refusal what to do', () => {
    for (const hint of Object.values(DESKTOP_ERRORS)) expect(hint.length).toBeGreaterThan(10);
  });
});

describe('the settings of a daemon', () => {
  it('are safe when nothing is said', () => {
    expect(readSettings([], { DISPLAY: ':0' })).toMatchObject({
      host: '127.0.0.1',
      port: 9990,
      tls: undefined,
      display: process.platform === 'linux' ? ':0' : undefined,
      folders: [],
      nats: undefined,
      quietMs: 3000,
    });
    expect([...readSettings([], {})!.apps.keys()]).toEqual([]);
  });

  it('take applications, labels, folders and where to dial', async () => {
    const args = [
      '--app',
      'xcalc',
      '--app',
      'web=firefox --private-window',
      '--label',
      'room=lab',
      '--folder',
      '/srv',
    ];
    const settings = readSettings(args, { NATS_URL: 'nats://n', NATS_TOKEN: 't' })!;
    expect([...settings.apps]).toEqual([
      ['xcalc', { command: 'xcalc', args: [] }],
      ['web', { command: 'firefox', args: ['--private-window'] }],
    ]);
    expect(settings).toMatchObject({
      labels: { room: 'lab' },
      folders: ['/srv'],
    });
    expect(await settings.nats!()).toEqual({ url: 'nats://n', token: 't' });
  });

  it.each([
    [['--host', '0.0.0.0'], /--tls-cert and --tls-key, or --insecure/],
    [['--tls-cert', 'a.pem'], /belong together/],
    [['--port', '70000'], /--port/],
    [['--name', 'a b'], /--name/],
    [['--label', 'lab'], /k=v/],
    [['--app', 'rm -rf'], /--app/],
    [['--virtual', 'big'], /--virtual/],
    [['--stop-hotkey', 'ctrl+nope'], /--stop-hotkey/],
    [['--colour', 'red'], /colour/],
    [['fly'], /fly/],
  ])('refuse %j', (args, why) => {
    expect(() => readSettings(args, {})).toThrow(SettingsError);
    expect(() => readSettings(args, {})).toThrow(why);
  });

  it.each([['--insecure'], ['--tls-cert', 'a', '--tls-key', 'b']])(
    'let it listen elsewhere with %s',
    (...more) => {
      expect(readSettings(['--host', '0.0.0.0', ...more], {})).toMatchObject({ host: '0.0.0.0' });
    },
  );
});

describe('the token', () => {
  it.each([
    ['Bearer secret', true],
    ['bearer secret', true],
    ['Bearer secret2', false],
    ['secret', false],
    ['', false],
    [undefined, false],
  ])('in %j counts: %s', (header, counts) => {
    expect(isAuthorized(header, 'secret')).toBe(counts);
  });
});
