package contract

// auditModels describes the types of the audit log.
var auditModels = map[string]model{
	"aureus.AuditRecord": {text: "One entry of the audit log. Its hash covers the hash of the entry before.", fields: fields{
		"sequence":      "From 1, without gaps.",
		"kind":          "decision, outcome, approval_requested, approval_approved, approval_rejected, approval_expired, approval_consumed, approval_committed, approval_released, gate_result, validator_registered, key_added, key_revoked, task_undone, workflow_parked, workflow_taken, policy_bundle_put, policy_stopped, policy_resumed or signing_key_replaced.",
		"decision":      "The effect, the verdict or the outcome.",
		"by":            "The subject whose key caused the entry.",
		"key_id":        "The id of that key.",
		"details":       "Further members, with secrets hidden.",
		"previous_hash": "The hash of the entry before; empty for the first.",
		"hash":          "SHA-256 over the previous hash and this entry.",
		"inputs":        "The inputs of a decision, only in an export with inputs=true, and only while they are kept. hash does not cover them: the detail inputs_hash is a salted hash of them.",
	}},
	"aureus.AuditVerification": {text: "Whether the chain of hashes is intact.", fields: fields{
		"head":          "The hash of the last entry; empty without entries. Store it outside the server: a later verification then shows whether the end was cut off.",
		"first_invalid": "The sequence of the first entry that is not valid.",
		"checkpoint":    "How many entries the last signed checkpoint covers.",
		"problems":      "What else is not valid, in sentences; at most 100. An example: the last checkpoint is not signed by the installation's key.",
		"archived":      "How many of the entries are archived, and were not checked again.",
		"archive_key":   "The Ed25519 public key, in base64, that signed the last archive. Compare it with yours.",
	}},
	"aureus.AuditCheckpoint": {text: "A signed head of the Merkle tree over the entries of the audit log. docs/spec/evidence.md describes its bytes.", fields: fields{
		"size": "How many entries it covers.",
		"note": "A signed note: the origin, the size, the root of the tree in base64, the time, and the hash of the last entry.",
		"keys": "The announcements of the signing keys, as signed notes. The first key is first; the last one signs.",
	}},
	"aureus.AuditProof": {text: "Proves that an entry is in the log that a checkpoint has signed.", fields: fields{
		"size":   "How many entries the checkpoint covers.",
		"hashes": "The audit path of RFC 6962 from the leaf to the root, in base64.",
	}},
	"aureus.AuditConsistency": {text: "Proves that the log of a checkpoint continues an older one.", fields: fields{
		"from":   "How many entries the older log had.",
		"to":     "How many entries the checkpoint covers.",
		"hashes": "The consistency proof of RFC 6962, in base64.",
	}},
	"aureus.DecisionRecord": {text: "A decision that was made outside the control plane, for the audit log.", fields: fields{
		"effect":      "allow, deny or require_approval.",
		"approval_id": "It must be one that the key's subject has asked for, for this principal, action and digest; an allow must have used it.",
		"claimed":     "The audit log has true, whatever is sent here.",
		"inputs":      "What the policy bundle read. Values that the configuration of the server does not name are not stored.",
	}},
	"aureus.DecisionInput": {text: "A value of a request that decisions of a policy bundle can depend on.", fields: fields{
		"name":   "Such as arguments.amount, claims[\"department id\"], principal.type or request.path.",
		"status": "recorded, absent, redacted or too_large.",
		"value":  "Present if the status is recorded and the value is not null.",
	}},
	"aureus.GateRecord": {text: "The result of a gate that ran outside the control plane.", fields: fields{
		"decision_id": "The decision that allowed the change.",
		"crv_status":  "passed, blocked or warning. It must agree with the fields passed and blocked.",
	}},
	"aureus.DecisionDetails": {text: "All that is known about one decision.", fields: fields{
		"timestamp":        "The time of its entry in the audit log.",
		"sequence":         "The sequence of that entry.",
		"source":           "evaluated by the control plane, or reported by a key.",
		"method":           "The method of the HTTP request that was decided.",
		"path":             "Escaped, without the query; cut at 1,024 bytes.",
		"action_digest":    "Present where an approval was or may be asked for.",
		"arguments_digest": "The digest of a request of the tenant that has these arguments and nothing else. Absent without arguments, and in reported decisions.",
		"effect":           "allow, deny or require_approval.",
		"reason":           "An explanation for people; absent from reported decisions.",
		"by":               "The subject whose key asked or reported.",
		"inputs":           "What the policy bundle read, if that was recorded and is still kept.",
		"approval":         "Absent where no approval is involved.",
		"outcome":          "Absent where no outcome was reported.",
	}},
	"aureus.DecisionOutcome": {text: "The outcome of a decision, as it was reported.", fields: fields{
		"duration_ms": "Milliseconds.",
		"by":          "The subject that reported it.",
	}},
	"aureus.Outcome": {text: "The outcome of a request after its decision.", fields: fields{
		"status":      "success, failed, blocked, panicked, refused or unknown; other words are stored too.",
		"error_class": "A word from a small set, never the text of an error.",
		"not_done":    "The action failed before anything was done. It is allowed with failed, blocked and refused; the latter two imply it. The approval that the decision used can then be used again, once and until use_by.",
		"duration_ms": "Milliseconds.",
	}},
}
