package audit

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Routes returns the routes of the service.
func (s *Service) Routes() []web.Route {
	const taken = "The number of accepted items, and the rejected ones."
	filters := []web.Parameter{
		{Name: "principal", Description: "Only entries about this principal."},
		{Name: "action", Description: "Only entries about this action."},
		{Name: "decision_id", Description: "Only entries of this decision."},
		{Name: "decision", Description: "Only entries with this word: an effect, a verdict, the status of a gate or an outcome."},
		{Name: "kind", Description: "Only entries of this kind."},
		{Name: "trace_id", Description: "Only entries of this trace."},
		web.StartTime, web.EndTime, web.Limit, web.Cursor,
	}
	expected := []web.Parameter{
		{Name: "expect_entries", Description: "The number of entries of an earlier verification: the chain must still have expect_head at that entry.", Type: reflect.TypeFor[int]()},
		{Name: "expect_head", Description: "The head of that verification."},
	}
	withInputs := []web.Parameter{{Name: "inputs", Description: "Whether the entries of decisions have the recorded inputs that are still kept.", Type: reflect.TypeFor[bool]()}}
	response, number := reflect.TypeFor[batchResponse](), reflect.TypeFor[int]()
	return []web.Route{
		{
			Pattern: "GET /api/v1/audit", Role: web.Operator, Query: filters, Handler: s.list,
			Doc: web.Doc{
				ID: "listAudit", Tag: "Audit", Summary: "Read the audit log",
				Description: "Lists entries in order. A page has 500 entries, at most 5,000.",
				Response:    reflect.TypeFor[[]aureus.AuditRecord](), Success: "A page of entries.",
			},
		},
		{
			Pattern: "GET /api/v1/audit/verify", Role: web.Operator, Query: expected, Handler: s.verify,
			Doc: web.Doc{
				ID: "verifyAudit", Tag: "Audit", Summary: "Verify the audit log",
				Description: "Checks the chain from its first entry, or from the signed end of the last archive, to its last, page by page. The decisions and outcomes in other tables must be in it, too, and recorded inputs that are still kept must be those that their entry commits to; the last signed checkpoint must fit. With expect_entries and expect_head it is compared with an earlier verification, which was stored outside the server.",
				Response:    reflect.TypeFor[aureus.AuditVerification](), Success: "Whether the chain is intact.",
			},
		},
		{
			Pattern: "GET /api/v1/audit/export", Role: web.Operator, Query: withInputs, Handler: s.export,
			Doc: web.Doc{
				ID: "exportAudit", Tag: "Audit", Summary: "Export the audit log",
				Description: "Returns every entry, one JSON object (AuditRecord) on each line. A response that is cut off is not complete. The recorded inputs of decisions are left out unless they are asked for.",
				Response:    reflect.TypeFor[string](), ContentType: "application/x-ndjson", Success: "Lines of JSON.",
				ResponseHeader: []web.Parameter{{Name: "Content-Disposition", Description: "A name for the file."}},
			},
		},
		{
			Pattern: "GET /api/v1/audit/checkpoint", Role: web.Service, Query: []web.Parameter{
				{Name: "size", Description: "How many entries the checkpoint covers. Without it, every entry is covered, by a new checkpoint if necessary.", Type: number, Minimum: 1},
			}, Handler: s.getCheckpoint,
			Doc: web.Doc{
				ID: "getCheckpoint", Tag: "Audit", Summary: "Read a signed checkpoint",
				Description: "Returns a signed head of the Merkle tree over the entries. Keep one outside of the server: a later log must continue it. The newest 1,000 checkpoints are kept, and the first one of each hour.",
				Response:    reflect.TypeFor[aureus.AuditCheckpoint](), Success: "The checkpoint.", NotFound: true,
			},
		},
		{
			Pattern: "GET /api/v1/audit/proof", Role: web.Operator, Query: []web.Parameter{
				{Name: "decision_id", Description: "The decision of which the first entry is meant."},
				{Name: "sequence", Description: "The sequence of the entry, instead of decision_id.", Type: number, Minimum: 1},
				{Name: "size", Description: "How many entries the checkpoint covers for which it is proved. Without it, every entry is covered.", Type: number, Minimum: 1},
			}, Handler: s.getProof,
			Doc: web.Doc{
				ID: "getProof", Tag: "Audit", Summary: "Prove that an entry is in the log",
				Description: "Returns an entry with the hashes that lead from it to the root that a checkpoint has signed. aureus audit verify --proof checks it without the server.",
				Response:    reflect.TypeFor[aureus.AuditProof](), Success: "The proof.", NotFound: true,
			},
		},
		{
			Pattern: "GET /api/v1/audit/consistency", Role: web.Service, Query: []web.Parameter{
				{Name: "from", Description: "How many entries the older checkpoint covers.", Type: number, Minimum: 1},
				{Name: "to", Description: "How many entries the newer checkpoint covers. Without it, every entry is covered.", Type: number, Minimum: 1},
			}, Handler: s.getConsistency,
			Doc: web.Doc{
				ID: "getConsistency", Tag: "Audit", Summary: "Prove that the log has only grown",
				Description: "Returns the hashes that prove that the log of the newer checkpoint begins with the log of the older one.",
				Response:    reflect.TypeFor[aureus.AuditConsistency](), Success: "The proof.", NotFound: true,
			},
		},
		{
			Pattern: "POST /api/v1/audit/records/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.postRecords,
			Doc: web.Doc{
				ID: "recordDecisions", Tag: "Audit", Summary: "Report decisions",
				Description: "Records decisions that were made outside the control plane. A decision that is already recorded is accepted and changes nothing; another one under its id is rejected with STATE_CONFLICT. All valid items are stored in one transaction; the response has the reason for each rejected one. At most 2,048 items.",
				Request:     reflect.TypeFor[[]aureus.DecisionRecord](), Response: response, Success: taken,
			},
		},
		{
			Pattern: "POST /api/v1/audit/gates/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.postGates,
			Doc: web.Doc{
				ID: "recordGates", Tag: "Audit", Summary: "Report gate results",
				Description: "Records results of gates that ran outside the control plane, in one transaction; the response has the reason for each rejected one. A result that names a decision must come from the subject whose key made or reported that decision. At most 2,048 items.",
				Request:     reflect.TypeFor[[]aureus.GateRecord](), Response: response, Success: taken,
			},
		},
		{
			Pattern: "POST /api/v1/audit/outcomes/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.postOutcomes,
			Doc: web.Doc{
				ID: "recordOutcomes", Tag: "Audit", Summary: "Report outcomes",
				Description: "Records the outcomes of decisions, one for each: from the subject whose key made or reported the decision, or from an operator. An outcome may arrive before its decision: then the audit log shows it as early, and it takes effect when the decision is there and belongs to the same subject. All valid items are stored in one transaction; the response has the reason for each rejected one. At most 2,048 items.",
				Request:     reflect.TypeFor[[]aureus.Outcome](), Response: response, Success: taken,
			},
		},
	}
}
