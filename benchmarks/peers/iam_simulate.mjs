// iam-simulate on the question of decide.py, in a process of its own: reads a case, prints its rate per CPU second.
import { readFileSync } from 'node:fs'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const testCase = JSON.parse(readFileSync(0, 'utf8'))
const simulation = {
  request: {
    principal: testCase.principal,
    action: 'kms:Decrypt',
    resource: { resource: testCase.key, accountId: testCase.owner },
    contextVariables: testCase.context
  },
  identityPolicies: [{ name: 'policy', policy: testCase.identity }],
  serviceControlPolicies: [],
  resourceControlPolicies: [],
  resourcePolicy: testCase.resource
}
const cpuSeconds = () => {
  const usage = process.cpuUsage()
  return (usage.user + usage.system) / 1e6
}
const first = await runSimulation(simulation, {})
if (!JSON.stringify(first).includes('"Allowed"')) {
  console.error(JSON.stringify(first).slice(0, 400))
  process.exit(1)
}
for (let warm = 0; warm < 50; warm++) await runSimulation(simulation, {})
const started = cpuSeconds()
let count = 0
while (cpuSeconds() - started < testCase.seconds) {
  await runSimulation(simulation, {})
  count++
}
console.log(JSON.stringify({ rate: count / (cpuSeconds() - started) }))
