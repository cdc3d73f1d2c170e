// Bundles every entry point into dist/: a bundle starts in 0.2 s where the separate modules need 0.7 s.
import { existsSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const entryPoints = {
  squall: 'src/cli/squall.ts',
  demo: 'src/cli/demo.ts',
  generate: 'src/generate/generate.ts',
  'probe-worker': 'src/probes/worker.ts',
  'pause-guard': 'src/agent/signals/pause-guard.ts',
  'tcp-delay': 'src/agent/tcp-delay/program.ts',
  bench: 'bench/bench.ts',
  'bench-sandbox': 'bench/sandbox-process.ts',
  'bench-parse': 'bench/parse-process.ts',
};

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: Object.fromEntries(Object.entries(entryPoints).filter(([, file]) => existsSync(file))),
  outdir: 'dist',
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  minify: true,
  keepNames: true,
  sourcemap: true,
  logLevel: 'warning',
  // client-node's HTTP client, which nothing here uses, loads Node's own one, and Node 24 complains about that.
  alias: { punycode: 'punycode/punycode.js' },
  // CommonJS dependencies inside an ES module bundle still call require for Node's own modules.
  banner: {
    js: "import { createRequire as squallRequire } from 'node:module'; const require = squallRequire(import.meta.url);",
  },
});
