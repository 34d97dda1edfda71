package aureus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/farmountain/aureus-go/internal/wire"
)

// ValidateCommit runs the validators of the gate on the commit. A blocked commit is a
// result, not an error: look at Passed. A response that contradicts itself is an
// error. POST /api/v1/crv/validate.
func (c *Client) ValidateCommit(ctx context.Context, commit Commit, gate GateConfig) (GateResult, error) {
	const op = "ValidateCommit"
	body, err := encode(op, wire.ValidateRequest[Commit, GateConfig]{Commit: commit, GateConfig: gate})
	if err != nil {
		return GateResult{}, err
	}
	text, err := c.send(ctx, call{op: op, class: classDecisions, keyed: true, method: http.MethodPost, path: "/crv/validate", body: body})
	if err != nil {
		return GateResult{}, err
	}
	var result GateResult
	if err := decodeResponse(op, text, &result); err != nil {
		return GateResult{}, err
	}
	if low := belowConfidence(result, gate.RequiredConfidence); low >= 0 {
		return GateResult{}, malformed(op, fmt.Errorf("the gate passed, but result %d is below the required confidence", low))
	}
	return result, nil
}

// belowConfidence is the index of the first result below the required confidence of a
// gate that passed; -1 if there is none, or if the gate did not pass.
func belowConfidence(result GateResult, required *float64) int {
	if !result.Passed || required == nil || *required <= 0 {
		return -1
	}
	return slices.IndexFunc(result.ValidationResults, func(r ValidationResult) bool { return r.Confidence != nil && *r.Confidence < *required })
}

// ValidatorRegistration is the response to RegisterValidator. The published contract
// allows any JSON there: Raw is the whole body, and the other fields are set if the body
// has them.
type ValidatorRegistration struct {
	ValidatorID string `json:"validator_id" aureus:"optional"`
	Registered  bool   `json:"registered" aureus:"optional"`
	Replaced    bool   `json:"replaced" aureus:"optional"` // there was a validator under the id
	Version     int    `json:"version" aureus:"optional"`  // from 1
	Scope       string `json:"scope" aureus:"optional"`    // who can use it: tenant or subject

	Raw json.RawMessage `json:"-"`
}

// RegisterValidator registers a validator under the id, or replaces the validator with
// that id. The config is any value with the JSON form {"type": …, "parameters": …}; see
// docs/spec/gates.md#registering-a-validator. If the order of names matters, as in the
// fields of a schema, pass a json.RawMessage. POST /api/v1/crv/validators.
func (c *Client) RegisterValidator(ctx context.Context, id string, config any) (ValidatorRegistration, error) {
	const op = "RegisterValidator"
	var registration ValidatorRegistration
	body, err := encode(op, wire.RegisterRequest[any]{ValidatorID: id, Config: config})
	if err != nil {
		return registration, err
	}
	raw, err := c.send(ctx, call{op: op, class: classChanges, keyed: true, method: http.MethodPost, path: "/crv/validators", body: body})
	if err != nil {
		return registration, err
	}
	registration.Raw, err = anyJSON(op, raw, &registration)
	return registration, err
}
