/** The page that shows the screen of a run, and hands on what a person with the controls does to it. */
export const livePage = (nonce: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>SkyAgentOS live view</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style nonce="${nonce}">
  :root { color-scheme: dark; font: 14px/1.4 system-ui, sans-serif; background: #14161a; color: #e6e8eb; }
  body { margin: 0; display: flex; flex-direction: column; height: 100vh; }
  header { display: flex; gap: .5rem; align-items: center; padding: .5rem .75rem; background: #1e2127; }
  button { background: #2c313a; color: inherit; border: 0; border-radius: 6px; padding: .35rem .6rem; font: inherit; cursor: pointer; }
  button:disabled, input:disabled { opacity: .4; cursor: default; }
  input { flex: 1; min-width: 0; background: #0f1114; color: inherit; border: 1px solid #2c313a; border-radius: 6px; padding: .35rem .6rem; font: inherit; }
  #who { padding: .2rem .6rem; border-radius: 999px; background: #2c313a; white-space: nowrap; }
  #who.yours { background: #0b6e4f; } #who.gone { background: #8a2c2c; }
  main { flex: 1; min-height: 0; display: grid; place-items: center; padding: .75rem; }
  #screen { max-width: 100%; max-height: 100%; background: #000; outline: none; border-radius: 4px; }
  #screen:focus-visible { box-shadow: 0 0 0 2px #4c9ffe; }
  footer { padding: .35rem .75rem; color: #9aa1ab; min-height: 1.4em; }
</style></head>
<body>
<header>
  <button id="back" disabled>Back</button><button id="forward" disabled>Forward</button>
  <button id="reload" disabled>Reload</button>
  <input id="url" aria-label="Address" placeholder="no page yet" disabled>
  <span id="who" role="status">connecting…</span>
  <button id="handback" hidden>Hand back</button>
</header>
<main><canvas id="screen" tabindex="0" width="1280" height="800" aria-label="The screen of the run"></canvas></main>
<footer id="said" role="log"></footer>
<script nonce="${nonce}">
  const [screen, url, who, said] = ['screen', 'url', 'who', 'said'].map((id) => document.getElementById(id));
  const buttons = ['back', 'forward', 'reload'].map((id) => document.getElementById(id));
  const address = new URL(location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  address.pathname += '/socket';
  history.replaceState(null, '', location.pathname);
  const socket = new WebSocket(address);
  socket.binaryType = 'blob';
  let yours = false;
  const send = (input) => yours && socket.readyState === 1 && socket.send(JSON.stringify(input));
  socket.onmessage = async ({ data }) => {
    if (typeof data !== 'string') {
      const picture = await createImageBitmap(data);
      if (screen.width !== size.width || screen.height !== size.height) Object.assign(screen, size);
      screen.getContext('2d').drawImage(picture, 0, 0, screen.width, screen.height);
      return picture.close();
    }
    const told = JSON.parse(data);
    if (told.type === 'hello') {
      yours = told.control;
      who.textContent = yours ? 'you have the controls' : 'looking on';
      who.className = yours ? 'yours' : '';
      for (const field of [url, ...buttons]) field.disabled = !yours;
      handback.hidden = !yours;
    }
    if (told.type === 'screen') { size = { width: told.width, height: told.height }; if (document.activeElement !== url) url.value = told.url ?? ''; }
    if (told.type === 'acted') said.textContent = told.outcome === 'succeeded' ? '' : told.message;
  };
  let size = { width: 1280, height: 800 };
  socket.onclose = ({ reason }) => { who.textContent = reason || 'closed'; who.className = 'gone'; yours = false; handback.hidden = true; };
  const at = (event) => {
    const box = screen.getBoundingClientRect();
    return { x: Math.round(((event.clientX - box.left) / box.width) * screen.width), y: Math.round(((event.clientY - box.top) / box.height) * screen.height) };
  };
  screen.onclick = (event) => { flush(); send(event.detail === 2 ? { input: 'doubleClick', ...at(event) } : { input: 'click', ...at(event) }); };
  screen.oncontextmenu = (event) => { event.preventDefault(); send({ input: 'click', button: 'right', ...at(event) }); };
  let typed = '', timer, turned = { dx: 0, dy: 0 }, turning;
  const flush = () => { clearTimeout(timer); if (typed) send({ input: 'type', text: typed }); typed = ''; };
  screen.onkeydown = (event) => {
    if (['Shift', 'Control', 'Alt', 'Meta'].includes(event.key)) return;
    event.preventDefault();
    if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      typed += event.key; clearTimeout(timer); timer = setTimeout(flush, 250); return;
    }
    flush();
    const held = [event.ctrlKey && 'Control', event.altKey && 'Alt', event.metaKey && 'Meta', event.shiftKey && 'Shift'].filter(Boolean);
    send({ input: 'key', key: [...held, event.key === ' ' ? 'Space' : event.key].join('+') });
  };
  screen.onwheel = (event) => {
    event.preventDefault();
    turned.dx += event.deltaX; turned.dy += event.deltaY;
    const place = at(event);
    turning ??= setTimeout(() => { send({ input: 'scroll', ...place, ...turned }); turned = { dx: 0, dy: 0 }; turning = undefined; }, 120);
  };
  url.onkeydown = (event) => { if (event.key === 'Enter') send({ input: 'open', url: /^[a-z]+:/i.test(url.value) ? url.value : 'https://' + url.value }); };
  const handback = document.getElementById('handback');
  handback.onclick = () => { flush(); send({ command: 'handback' }); };
  for (const button of buttons) button.onclick = () => send({ input: button.id });
</script>
</body></html>
`;
