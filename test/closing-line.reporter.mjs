/** Ends the output with one line that counts: `N passed, N failed`. */
export default class ClosingLineReporter {
  onRunComplete(_contexts, results) {
    const broken = results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : '';
    process.once('exit', () => {
      process.stdout.write(
        `${results.numPassedTests} passed, ${results.numFailedTests + broken} failed${skipped}\n`,
      );
    });
  }
}
