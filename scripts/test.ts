/**
 * Runs the tests and ends with one plain line: `N passed, N failed`, and `, N skipped` when there are any.
 *
 * Deno's own summary has another form and is missing when the process dies, and a crash is just what a library written
 * in C may cause. So the counts come from the JUnit report, the exit code has the last word, and a run in which nothing
 * ran is a failed one. Arguments go to `deno test`; which files are tests by default stands in deno.json.
 *
 * Usage: `deno run -A scripts/test.ts [ARGUMENTS OF deno test]`
 *
 * @module
 */

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const TEST_CASE = /<testcase name="([^"]*)"([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs;

/** Counts the tests of a JUnit report of `deno test`. Steps are part of their test and not counted. */
export function countTests(report: string): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [suite] of report.matchAll(/<testsuite .*?<\/testsuite>/gs)) {
    const names = new Set<string>();
    for (const [, name, attributes, content] of suite.matchAll(TEST_CASE)) {
      const wasReached = attributes.includes(" time="); // not when it was filtered out
      if (!wasReached || isStep(name, names)) continue;
      names.add(name);
      if (/<(?:failure|error)\b/.test(content ?? "")) counts.failed++;
      else if (/<skipped\b/.test(content ?? "")) counts.skipped++;
      else counts.passed++;
    }
  }
  return counts;
}

/** A step comes after the tests of its file and is called `TEST > STEP`, with `>` escaped. */
function isStep(name: string, tests: ReadonlySet<string>): boolean {
  for (let at = name.indexOf(" &gt; "); at !== -1; at = name.indexOf(" &gt; ", at + 1)) {
    if (tests.has(name.slice(0, at))) return true;
  }
  return false;
}

export function lastLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

async function main(): Promise<number> {
  const report = await Deno.makeTempFile({ prefix: "sluice-tests.", suffix: ".xml" });
  try {
    const status = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--junit-path", report, ...Deno.args],
      cwd: import.meta.dirname!.replace(/\/scripts$/, ""),
    }).spawn().status;
    const counts = countTests(await Deno.readTextFile(report));
    // A crash leaves no report; a type error or an error outside of any test is in none.
    if (!status.success && counts.failed === 0) counts.failed = 1;
    if (status.signal !== null) {
      console.log(`\nThe test process died of ${status.signal} in the test named last above.`);
    }
    const ran = counts.passed + counts.failed;
    if (ran === 0) console.log("\nNo test ran: that counts as a failure.");
    console.log(`\n${lastLine(counts)}`);
    return ran > 0 && counts.failed === 0 ? 0 : 1;
  } finally {
    await Deno.remove(report);
  }
}

if (import.meta.main) Deno.exit(await main());
