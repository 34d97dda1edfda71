package contract

// approvalsModels describes the types of approvals.
var approvalsModels = map[string]model{
	"aureus.ApprovalStatus": {text: "The state of an approval. Pending, approved and rejected approvals are in force until they expire: a further request for the same thing returns them. Consumed ones were used by a decision."},
	"approvals.Request": {name: "ApprovalRequest", text: "A request for a person to decide. The fields after reason are extensions of this server, for an application that decides in its own process.", fields: fields{
		"reason":         "The reason that the operator sees; at most 4 KiB.",
		"arguments":      "What is about to be done. The approval is bound to it.",
		"on_behalf_of":   "The person or service that the principal acts for; neither may decide.",
		"volatile":       "JSON pointers to values that the approval is not bound to.",
		"approval_token": "The approval_token of an earlier approval; the field hint of the response says why it is not valid.",
		"action_digest":  "The digest that the caller computed. The server computes its own, and refuses the request where they differ.",
		"decision_id":    "The decision that needs the approval.",
		"policy_version": "The version of the caller's rules. The approval is bound to it; without it, to the server's own.",
		"terms":          "How many people must approve, which, and in what time. The stricter of these and the server's own count.",
	}},
	"wire.ApprovalTerms": {text: "The terms of an approval. A field that is absent or zero asks for nothing.", fields: fields{
		"quorum":           "How many different people must approve, from 1 to 10. One without it.",
		"roles":            "The roles that may decide: operator, admin or both. Operator includes admin. Operator without it.",
		"decide_within_ms": "How long people may decide, in milliseconds: from a second to 30 days. A time longer than the server's own has no effect.",
		"use_within_ms":    "How long it may be used after it was approved, in milliseconds: from a second to 30 days. A time longer than the server's own has no effect.",
	}},
	"wire.ApprovalResponse": {text: "The approval for the request.", fields: fields{
		"approval_token": "The approval's id, never empty. It permits nothing by itself.",
		"joined":         "The approval existed already.",
		"hint":           "Why the approval_token of the request is not valid.",
	}},
	"aureus.MayChange": {text: "A value that an approval is not bound to.", fields: fields{
		"pointer": "A JSON pointer that starts with /arguments or /metadata.",
		"value":   "The value in the request that opened the approval: a string, a number or a boolean. Absent without a value, and for lists and objects.",
	}},
	"aureus.Quorum": {text: "How many different people must approve, and how many have."},
	"aureus.ApprovalDecision": {text: "The verdict of one person.", fields: fields{
		"by":      "The subject of the key.",
		"verdict": "approve or reject.",
	}},
	"aureus.Approval": {text: "A request for a person to decide, and its state.", fields: fields{
		"id":               "`apr_` and 26 characters of base32. It is also the approval_token.",
		"arguments":        "What the digest covers, with secrets hidden.",
		"http":             "What the digest covers, with secrets hidden.",
		"volatile":         "JSON pointers to the values that the digest leaves out.",
		"may_change":       "The values that the digest leaves out, as they were when the approval was asked for. The request that is allowed may have other ones.",
		"redacted":         "JSON pointers to the values that are hidden. The digest covers the original values.",
		"escaped":          `JSON pointers to the texts in which invisible characters are written as \u{202E}. The digest covers the original texts.`,
		"has_permission":   "Whether the principal holds what the action requires.",
		"requested_by_key": "The id of the key that asked.",
		"requested_by":     "The subject that asked. The approval belongs to it; no other service can see or use it.",
		"expires_at":       "When the present state ends: decide_by until it is approved, use_by from then on. That moment is still included.",
		"roles":            "The roles that may decide; each includes the stronger ones.",
		"decide_by":        "The time until which a person may decide and a rejection stays in force: an hour after the request, unless the server or the terms of the approval say otherwise.",
		"use_by":           "The time until which it may be used: 15 minutes after it was approved, unless the server or the terms of the approval say otherwise. Absent until it is approved.",
		"action_digest":    "A verdict must name this digest.",
		"consumed_by":      "The decision that it is reserved or used for.",
		"released_by":      "The decision that returned it, because nothing was done. That happens at most once.",
		"url":              "The path to poll.",
	}},
	"wire.ApprovalVerdict": {text: "A verdict on an approval.", fields: fields{
		"action_digest": "The digest of the approval that was shown; any other one is refused.",
		"comment":       "At most 4 KiB.",
	}},
	"aureus.ApprovalUse": {text: "Uses an approval for one decision that was made outside the control plane.", fields: fields{
		"principal_id":   "It must be the approval's.",
		"action_digest":  "It must be the approval's.",
		"policy_version": "The version of the rules that made the decision.",
	}},
}
