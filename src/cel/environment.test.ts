import { describe, expect, test } from '@jest/globals';
import { compileExpression } from './compile.js';
import { kubernetesEnvironment } from './environment.js';

function evaluate(source: string): unknown {
  return compileExpression(kubernetesEnvironment('static').clone(), source).evaluate({});
}

describe('the Kubernetes CEL libraries', () => {
  test.each([
    ["quantity('1.5Gi').isGreaterThan(quantity('1500Mi'))"],
    ["quantity('250m').isLessThan(quantity('1'))"],
    ["quantity('1k') == quantity('1000')"],
    ["quantity('1').compareTo(quantity('1000m')) == 0"],
    ["quantity('50M').add(quantity('50k')).asInteger() == 50050000"],
    ["quantity('2').sub(3).sign() == -1"],
    ["quantity('1e3').isInteger() && !quantity('1m').isInteger()"],
    ["quantity('500m').asApproximateFloat() == 0.5"],
    ["quantity('-1').isLessThan(quantity('-500m')) && quantity('-2').asInteger() == -2"],
    ["isQuantity('1Ki') && !isQuantity('1 Ki') && !isQuantity('Ki') && !isQuantity('.')"],
    ['[1, 2, 2].isSorted() && !["b", "a"].isSorted()'],
    ['[1, 2, 3].sum() == 6 && [1.5, 2.5].sum() == 4.0'],
    ['[3, 1, 2].min() == 1 && ["a", "c", "b"].max() == "c"'],
    ['[1, 2, 1].indexOf(1) == 0 && [1, 2, 1].lastIndexOf(1) == 2 && [1].indexOf(9) == -1'],
    ["[duration('1h'), duration('30m')].min() == duration('1800s')"],
    ["duration('1h30m') > duration('89m') && duration('-1.5s') < duration('0')"],
    ["duration('90s').getMinutes() == 1 && string(duration('1.5s')) == '1.5s'"],
    ["timestamp('2026-01-02T03:04:05Z').getFullYear() == 2026"],
    [
      "string(timestamp('2026-01-02T03:04:00Z')) == '2026-01-02T03:04:00Z' && string(timestamp('2026-01-02T03:04:05.120Z')) == '2026-01-02T03:04:05.12Z'",
    ],
    ["string(duration('1s') - duration('2500ms')) == '-1.5s' && int(duration('90s')) == 90"],
    ["[{'a': 1}, {'b': 2}].indexOf({'b': 2}) == 1 && [{'a': 1}].indexOf({'a': 2}) == -1"],
    ["'abc'.matches('^a.c$') && matches('xabc', 'b')"],
    [
      "'ab12cd345'.find('[0-9]+') == '12' && 'ab12cd345'.findAll('[0-9]+') == ['12', '345'] && 'a1b2'.findAll('[0-9]', 1) == ['1']",
    ],
    ["'TacoCÁ'.lowerAscii() == 'tacocÁ' && 'tacoá'.upperAscii() == 'TACOá'"],
    ["'a,b,c'.split(',') == ['a', 'b', 'c'] && ['a', 'b'].join('-') == 'a-b'"],
    ["'hello hello'.replace('he', 'we') == 'wello wello' && 'hello hello'.replace('he', 'we', 1) == 'wello hello'"],
    ["'tacocat'.charAt(3) == 'o' && 'tacocat'.substring(4) == 'cat' && ' x '.trim() == 'x'"],
    ["'%s has %s'.format(['a', 'b']) == 'a has b' && '%d%%'.format([5]) == '5%'"],
    ["url('https://user@example.com:80/a/b?x=1&x=2#f').getHost() == 'example.com:80'"],
    ["url('https://[::1]:80/').getHostname() == '::1' && url('https://[::1]:80/').getPort() == '80'"],
    [
      "url('http://a/p%20q?x=1&x=2').getQuery()['x'] == ['1', '2'] && url('http://a/p%20q').getEscapedPath() == '/p%20q'",
    ],
    ["isURL('/path') && isURL('http://a') && !isURL('a/b') && !isURL('http://a b') && !isURL('http://a:x')"],
    ['sets.contains([1, 2, 3], [3, 1]) && sets.equivalent([1, 1], [1]) && !sets.intersects([1], [2])'],
    ['[1, 2, 3].exists_one(x, x > 2) && [1, 2].map(x, x * 2) == [2, 4] && [1, 2].filter(x, x > 1) == [2]'],
    ["has({'a': 1}.a) && !has({'a': 1}.b) && has([{'a': 1}][0].a)"],
    ["{'a': 1}[?'b'].orValue(7) == 7"],
    ['cel.bind(x, 2, x + x) == 4'],
  ])('%s', (source) => {
    expect(evaluate(source)).toBe(true);
  });

  test.each([
    ["duration('1y')", "from 'string' to 'google.protobuf.Duration'"],
    ["duration('5')", "from 'string' to 'google.protobuf.Duration'"],
    ["quantity('half')", 'quantities must match'],
    ["quantity('1m').asInteger()", 'cannot convert value to integer'],
    ["url('nope')", 'URL parse error'],
    ['[1].filter(x, x > 1).min()', 'min called on empty list'],
    [
      "'abc'.replace('', 'x'.replace('x', 'yyyyyyyyyy')).replace('y', 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz').replace('z', 'wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww').replace('w', '12345678901234567890123456789012345678901234567890')",
      'too long',
    ],
  ])('%s fails', (source, message) => {
    expect(() => evaluate(source)).toThrow(message);
  });

  test('a pattern or a duration made to hang answers at once', () => {
    const started = performance.now();
    expect(evaluate(`'${'a'.repeat(5000)}b'.matches('^(a+)+$')`)).toBe(false);
    expect(() => evaluate(`duration('${'1'.repeat(5000)}')`)).toThrow('type conversion error');
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('an error shows where it is in the expression', () => {
    expect(() => compileExpression(kubernetesEnvironment('static').clone(), 'true &&\n  oops')).toThrow(
      "compilation failed: ERROR: <input>:2:3: undeclared reference to 'oops' (in container '')\n |   oops\n | ..^",
    );
  });
});
