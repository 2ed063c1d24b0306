import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Debian's name first. */
const CHROMIUM = CANDIDATES.find((path) => existsSync(path));

/** False where pages are to be opened, or why they are not: what node:test takes as `skip`. */
export const lacksBrowser: string | false =
  process.env.ONNX_TEMPER_BROWSER === undefined
    ? 'set ONNX_TEMPER_BROWSER=1 to open pages in Chromium'
    : CHROMIUM === undefined && 'Chromium is not installed';

type Params = Readonly<Record<string, unknown>>;
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Params;
  readonly result?: Params;
  readonly error?: { readonly message: string };
}

/** A page in a headless browser, spoken to in the DevTools protocol over a pipe. */
export interface BrowserPage {
  /** What the page said on the console, exceptions and refusals by its policy. */
  readonly complaints: readonly string[];
  /** Addresses that were asked for, the page's own and pictures within it (`data:`) left out. */
  readonly requests: readonly string[];
  readonly send: (method: string, params?: Params) => Promise<Params>;
  /** The value of an expression, as JSON. */
  readonly evaluate: (expression: string) => Promise<unknown>;
  /** PNG of the whole page. */
  readonly picture: () => Promise<Buffer>;
  readonly resize: (widthPx: number, options?: { readonly dark?: boolean }) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Opens a file. */
export async function openInBrowser(path: string): Promise<BrowserPage> {
  const profile = mkdtempSync(join(tmpdir(), 'onnx-temper-browser-'));
  const browser = spawn(
    CHROMIUM as string,
    [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--hide-scrollbars'],
      ...['--remote-debugging-pipe', `--user-data-dir=${profile}`],
    ],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const { send, onEvent } = protocol(browser);
  const [complaints, requests]: [string[], string[]] = [[], []];
  const url = pathToFileURL(path).href;
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  const call = (method: string, params: Params = {}): Promise<Params> => send(method, params, sessionId as string);
  const loaded = new Promise<void>((done) => {
    onEvent(({ method, params }) => {
      if (method === 'Page.loadEventFired') done();
      if (method === 'Runtime.exceptionThrown' || method === 'Runtime.consoleAPICalled' || method === 'Log.entryAdded')
        complaints.push(JSON.stringify(params));
      const asked = (params?.request as { url?: string } | undefined)?.url;
      if (method === 'Network.requestWillBeSent' && asked !== undefined && asked !== url && !asked.startsWith('data:'))
        requests.push(asked);
    });
  });
  for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await call(`${domain}.enable`);
  await call('Page.navigate', { url });
  await loaded;
  const evaluate = async (expression: string): Promise<unknown> => {
    const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value?: unknown }).value;
  };
  return {
    complaints,
    requests,
    send: call,
    evaluate,
    picture: async () => {
      const { data } = await call('Page.captureScreenshot', { captureBeyondViewport: true });
      return Buffer.from(data as string, 'base64');
    },
    resize: async (width, { dark = false } = {}) => {
      await call('Emulation.setEmulatedMedia', {
        features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }],
      });
      await call('Emulation.setDeviceMetricsOverride', {
        width,
        height: 800,
        deviceScaleFactor: 1,
        mobile: width < 600,
      });
    },
    close: async () => {
      await send('Browser.close');
      await new Promise((done) => browser.once('exit', done));
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** Messages are JSON documents, each followed by a zero byte. */
function protocol(browser: ChildProcess) {
  const [to, from] = [browser.stdio[3] as Writable, browser.stdio[4] as Readable];
  const waiting = new Map<number, { resolve: (result: Params) => void; reject: (error: Error) => void }>();
  const listeners: ((message: Message) => void)[] = [];
  let [next, rest] = [1, Buffer.alloc(0)];
  from.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const message = JSON.parse(rest.subarray(0, end).toString()) as Message;
      rest = rest.subarray(end + 1);
      const call = waiting.get(message.id ?? 0);
      if (message.error) call?.reject(new Error(message.error.message));
      else call?.resolve(message.result ?? {});
      if (message.id === undefined) for (const listener of listeners) listener(message);
    }
  });
  return {
    onEvent: (listener: (message: Message) => void): void => void listeners.push(listener),
    send: (method: string, params: Params = {}, sessionId?: string): Promise<Params> =>
      new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      }),
  };
}
