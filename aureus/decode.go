package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

// decode reads what arrives strictly into out, a pointer to a zero value. What
// comes in volume, or is there for a decision, has a reader here that goes over
// it once and without reflection, and takes exactly what package strictjson
// takes. The rest, such as the results of workflows, registrations and
// summaries, comes seldom and is read by reflection.
func decode(body []byte, out any) error { return jsonscan.Unmarshal(body, out) }

func init() { //nolint:gochecknoinits // the control plane finds the readers in jsonscan, since none is exported
	jsonscan.Register(scanDecision)
	jsonscan.Register(scanGateResult)
	jsonscan.Register(scanSpan)
	jsonscan.Register(scanMetric)
	jsonscan.Register(scanEvent)
	jsonscan.Register(scanApproval)
	jsonscan.Register(scanApprovalResponse)
	jsonscan.Register(scanCheckAnswer)
	jsonscan.Register(scanFailure)
	jsonscan.Register(scanBatchResponse)
	jsonscan.Register(scanAuditRecord)
	jsonscan.Register(scanDecisionRecord) // this and what follows is what the control plane is sent
	jsonscan.Register(scanOutcome)
	jsonscan.Register(scanPolicyContext)
	jsonscan.Register(scanPrincipal)
	jsonscan.Register(scanAction)
	jsonscan.Register(scanCommit)
	jsonscan.Register(scanGateConfig)
}
