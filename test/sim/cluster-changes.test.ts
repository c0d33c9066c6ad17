/** Clusters with data in a simulated world whose nodes come and go, with failures and without. */
import * as scenarios from './cluster-scenarios.js';
import { runScenarios } from './run-scenarios.js';

runScenarios([
  ['two clusters meet', scenarios.meetings],
  ['a node joins', scenarios.joins],
  ['a node joins, and it takes long', scenarios.slowJoins],
  ['a node crashes while one joins', scenarios.crashesInJoins],
  ['the network splits while a node joins', scenarios.splitsInJoins],
  ['a node leaves', scenarios.leaves],
  ['a node joins, and leaves soon', scenarios.visits],
  ['more is written than the change log holds', scenarios.bursts],
  ['everything at once', scenarios.chaos],
]);
