import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import type { Job } from 'kubernetes-types/batch/v1.js';
import type { ConfigMap } from 'kubernetes-types/core/v1.js';
import { parseAllDocuments } from 'yaml';
import { EXIT_CODES } from '../../src/core/index.ts';
import { tempFolder } from '../support/temp-folder.ts';

const FOLDER = join('cli', 'jobs');
const MANIFESTS = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

/** Where kubernetes-types, which is made from Kubernetes' OpenAPI schema, declares an object. */
const SCHEMAS: Readonly<Record<string, string>> = { 'v1 ConfigMap': 'core/v1', 'batch/v1 Job': 'batch/v1' };

interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

function objects(manifest: string): KubernetesObject[] {
  return parseAllDocuments(readFileSync(join(FOLDER, manifest), 'utf8')).map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as KubernetesObject;
  });
}

/** What the compiler says of objects, each declared to be of its kind: fields that do not exist, are missing, or of another type. */
function schemaErrors(given: readonly KubernetesObject[]): string {
  const folder = tempFolder();
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  const declarations = given.map((object, i) => {
    const schema = SCHEMAS[`${object.apiVersion} ${object.kind}`];
    assert.ok(schema, `${object.apiVersion} ${object.kind}`);
    return `export const object${i}: import('kubernetes-types/${schema}.js').${object.kind} = ${JSON.stringify(object, null, 2)};`;
  });
  writeFileSync(join(folder, 'objects.ts'), declarations.join('\n'));
  const { stdout } = spawnSync(
    process.execPath,
    [resolve('node_modules/typescript/bin/tsc'), '--noEmit', '--strict', '--module', 'nodenext', 'objects.ts'],
    { cwd: folder, encoding: 'utf8' },
  );
  return stdout;
}

const jobsOf = (given: readonly KubernetesObject[]): Job[] => given.filter(({ kind }) => kind === 'Job') as Job[];

test("manifests validate against Kubernetes' schema; what is not in it is noticed", () => {
  assert.ok(MANIFESTS.length > 0);
  assert.equal(schemaErrors(MANIFESTS.flatMap(objects)), '');

  const [job] = jobsOf(objects('bn-recal.yaml'));
  assert.ok(job?.spec?.template.spec);
  const { spec } = job;
  const broken = (change: object, pod: object = {}): KubernetesObject =>
    ({
      ...job,
      spec: { ...spec, ...change, template: { spec: { ...spec.template.spec, ...pod } } },
    }) as unknown as KubernetesObject;
  const errors = schemaErrors([
    broken({ completionsMode: 'Indexed' }),
    broken({ completions: '4' }),
    broken({}, { containers: [{ image: 'x' }] }),
    broken({}, { restartpolicy: 'Never' }),
  ]);
  assert.match(errors, /completionsMode/);
  assert.match(errors, /'string' is not assignable to type 'number'/);
  assert.match(errors, /'name' is missing/);
  assert.match(errors, /restartpolicy/);
});

// What the API server or the run would refuse, and no schema says.
for (const manifest of MANIFESTS) {
  const all = objects(manifest);
  const settings = new Map(
    (all.filter(({ kind }) => kind === 'ConfigMap') as ConfigMap[]).map(({ metadata, data = {} }) => [
      metadata?.name,
      data,
    ]),
  );

  test(`${manifest}: every reference within the manifest leads somewhere`, () => {
    for (const { metadata, spec } of jobsOf(all)) {
      const pod = spec?.template.spec;
      assert.ok(pod, metadata?.name);
      const volumes = pod.volumes?.map(({ name }) => name);
      for (const { args = [], command = [], envFrom = [], volumeMounts = [] } of pod.containers) {
        const known = new Map(
          envFrom.flatMap(({ configMapRef }) => Object.entries(settings.get(configMapRef?.name) ?? {})),
        );
        if (spec.completionMode === 'Indexed') known.set('JOB_COMPLETION_INDEX', '0');
        const text = [...command, ...args].join(' ');
        for (const [, braced, quoted] of text.matchAll(/\$\((\w+)\)|"\$(\w+)"/g)) {
          assert.ok(known.has(braced ?? quoted ?? ''), `${metadata?.name}: ${braced ?? quoted}`);
        }
        assert.doesNotMatch(
          text.replaceAll(/\$\(\w+\)|"\$\w+"/g, ''),
          /\$/,
          'each variable is written in one of two ways',
        );
        for (const { name } of volumeMounts) assert.ok(volumes?.includes(name), name);
      }
      for (const { onExitCodes } of spec.podFailurePolicy?.rules ?? []) {
        if (!onExitCodes) continue;
        assert.ok(pod.containers.some(({ name }) => name === onExitCodes.containerName));
        const codes = new Set<number>(Object.values(EXIT_CODES));
        for (const code of onExitCodes.values) assert.ok(codes.has(code), `exit code ${code}`);
      }
    }
  });

  test(`${manifest}: an indexed Job has as many completions as its workers are told of`, () => {
    const indexed = jobsOf(all).filter(({ spec }) => spec?.completionMode === 'Indexed');
    assert.equal(indexed.length, 1);
    for (const { spec } of indexed) {
      const [{ envFrom = [], args = [] } = {}] = spec?.template.spec?.containers ?? [];
      assert.equal(settings.get(envFrom[0]?.configMapRef?.name)?.WORKERS, String(spec?.completions));
      assert.ok(args.includes('--shard=env/$(WORKERS)'));
      assert.ok((spec?.parallelism ?? 0) <= (spec?.completions ?? 0));
      assert.equal(spec?.template.spec?.restartPolicy, 'Never', 'a podFailurePolicy asks for it');
    }
  });

  test(`${manifest}: names are DNS labels, counts are whole numbers`, () => {
    for (const { metadata, kind } of all) assert.match(metadata.name, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, kind);
    for (const { spec } of jobsOf(all)) {
      for (const count of [spec?.completions ?? 1, spec?.parallelism ?? 1, spec?.backoffLimit ?? 0])
        assert.ok(Number.isSafeInteger(count) && count >= 0);
    }
  });
}

test('batch scripts parse, and their README names only files that exist', () => {
  for (const name of readdirSync(FOLDER).filter((file) => file.endsWith('.sbatch'))) {
    const { status, stderr } = spawnSync('bash', ['-n', join(FOLDER, name)], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  }
  for (const [, target = ''] of readFileSync(join(FOLDER, 'README.md'), 'utf8').matchAll(/\]\(([^)#:]+)\)/g))
    assert.ok(existsSync(join(FOLDER, target)), target);
});
