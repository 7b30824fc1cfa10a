// SPDX-License-Identifier: Apache-2.0
// Runs the program of a backup Job with the files of a test: `program.ts <configuration> <termination message>`.
import { runBackupJob } from '../../../src/backup/job/main.ts';

const [configFile, terminationFile] = process.argv.slice(2) as [string, string];
process.exitCode = await runBackupJob({ configFile, terminationFile });
