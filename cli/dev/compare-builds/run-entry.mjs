// Runs the steps of one entry of ./lines.mjs with one build.
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';

const STEP_SECONDS = 600;

/** What a shell would split; only double quotes, and nothing is expanded. */
const words = (line) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);

/** Steps that are no command of the package: they prepare or damage files between two commands. */
const FILE_STEPS = {
  ':write': (path, ...text) => writeFileSync(path, `${text.join(' ')}\n`),
  ':remove': (path) => rmSync(path, { recursive: true }),
  ':truncate': (path, size) => truncateSync(path, Number(size)),
  ':flip': (path, offset) => {
    const bytes = readFileSync(path);
    const at = Number(offset) < 0 ? bytes.length + Number(offset) : Number(offset);
    bytes[at] = 255 - bytes[at];
    writeFileSync(path, bytes);
  },
};

function runProgram(build, cwd, [program, ...args], env) {
  const clean = Object.entries(process.env).filter(([name]) => !/^(SLURM|JOB_|NODE_|ONNX_TEMPER)/.test(name));
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [join(build, `${program}.js`), ...args], {
      cwd,
      env: { ...Object.fromEntries(clean), NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: STEP_SECONDS * 1000,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
    child.on('error', fail);
    child.on('close', (code, signal) => done({ exit: code ?? signal, ...output }));
  });
}

/** Runs the steps of an entry in a new folder with links to its inputs; gives exit code and output of its programs. */
export async function runEntry(build, cwd, { steps, env }, { fixtures, inputs }) {
  mkdirSync(cwd, { recursive: true });
  symlinkSync(fixtures, join(cwd, 'fixtures'));
  symlinkSync(inputs, join(cwd, 'inputs'));
  const outputs = [];
  for (const step of steps) {
    const [first, ...rest] = words(step);
    const fileStep = FILE_STEPS[first];
    if (!fileStep) outputs.push(await runProgram(build, cwd, [first, ...rest], env));
    // A step whose file the build did not write is no end of the comparison: the missing file is found anyway.
    else if (first === ':write' || existsSync(join(cwd, rest[0]))) {
      fileStep(...rest.map((word, i) => (i === 0 ? join(cwd, word) : word)));
    }
  }
  return outputs;
}

/** Paths of the files of an entry's folder, without its inputs. */
export const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((name) => !/^(fixtures|inputs)\//.test(name));
