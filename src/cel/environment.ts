import { Environment } from '@marcbachmann/cel-js';
import { registerLists, type Typing } from './lists.js';
import { registerQuantity } from './quantity.js';
import { registerStrings } from './strings.js';
import { registerUrl } from './url.js';
import { type CelDuration, parseDuration, printDuration, printTimestamp } from './values.js';

const shared = new Map<Typing, Environment>();

/**
 * The CEL environment of the API server: cel-js and the Kubernetes libraries. Clone it to declare variables and types.
 * With `dynamic` typing, for values of which no schema is known, literals may mix types and functions over the items of
 * a list decide by what these are.
 */
export function kubernetesEnvironment(typing: Typing): Environment {
  const known = shared.get(typing) ?? build(typing);
  shared.set(typing, known);
  return known;
}

function build(typing: Typing): Environment {
  const environment = new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: typing === 'static',
    limits: { maxDepth: 100, maxAstNodes: 20_000 },
  });
  environment
    .registerFunction('goDuration(string): google.protobuf.Duration', parseDuration, { async: false })
    .registerFunction('string(google.protobuf.Duration): string', printDuration, { async: false })
    .registerFunction('string(google.protobuf.Timestamp): string', printTimestamp, { async: false })
    .registerFunction('int(google.protobuf.Duration): int', ({ seconds }: CelDuration) => seconds, { async: false })
    .registerFunction(
      'int(google.protobuf.Timestamp): int',
      (time: Date) => BigInt(Math.floor(time.getTime() / 1000)),
      { async: false },
    );
  registerStrings(environment);
  registerLists(environment, typing);
  registerQuantity(environment);
  registerUrl(environment);
  return environment;
}
