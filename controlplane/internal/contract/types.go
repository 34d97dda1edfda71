package contract

import (
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/wire"
)

// ErrorCode is the type that the document gives the member code of an error.
type ErrorCode string

// Words returns all codes that this server sends.
func (ErrorCode) Words() []string {
	codes := slices.DeleteFunc(wire.ErrorCodes(), func(code string) bool { return code == wire.CodeNotServed }) // only the server of package aureustest sends this code
	for _, reason := range []aureus.ReasonCode{
		aureus.ReasonApprovalPending, aureus.ReasonApprovalRejected, aureus.ReasonApprovalExpired, aureus.ReasonApprovalConsumed,
		aureus.ReasonApprovalMismatch, aureus.ReasonApprovalUnknown, aureus.ReasonApprovalPolicyChanged, aureus.ReasonTooManyPending,
	} {
		codes = append(codes, string(reason))
	}
	return codes
}

// ValidatorConfig describes the configuration of a validator for the document only. The
// server does not decode into this type: package registry reads each member.
type ValidatorConfig struct {
	Type            string          `json:"type"`
	Parameters      map[string]any  `json:"parameters,omitzero"`
	ValidationLogic string          `json:"validation_logic,omitzero"`
	Tests           []ValidatorTest `json:"tests,omitzero"`
	Name            string          `json:"name,omitzero"`
	Description     string          `json:"description,omitzero"`
}

// ValidatorTest is one test of a configuration.
type ValidatorTest struct {
	Name        string                 `json:"name"`
	Commit      aureus.Commit          `json:"commit"`
	Want        string                 `json:"want"`
	FailureCode aureus.FailureTaxonomy `json:"failure_code,omitzero"`
}
