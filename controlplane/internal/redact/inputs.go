package redact

import (
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/inputs"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Inputs returns the inputs of a decision as they may be stored: without the values that
// the list does not name, and without those that are or contain a secret, which are
// redacted as a whole, because a replay must not decide by a placeholder. The values that
// exceed the bounds of package inputs are left out too. If the list is empty, nothing is
// stored. The argument is not changed.
func Inputs(list []aureus.DecisionInput, allowed inputs.AllowList) []aureus.DecisionInput {
	if allowed.Empty() || len(list) == 0 {
		return nil
	}
	clean := slices.Clone(list[:min(len(list), inputs.MaxInputs)])
	left := inputs.MaxValues
	for i := range clean {
		in := &clean[i]
		if in.Status == vocab.InputRecorded {
			in.Status = inputStatus(in, allowed, &left)
		}
		if in.Status != vocab.InputRecorded {
			in.Value = nil
		}
	}
	return clean
}

// inputStatus returns the status of an input with a value. left is the number of bytes that
// the values may still have.
func inputStatus(in *aureus.DecisionInput, allowed inputs.AllowList, left *int) string {
	path, ok := inputs.Path(in.Name)
	if !ok || !allowed.Allows(path) || hasSecret(path, in.Value) {
		return vocab.InputRedacted
	}
	text, err := strictjson.MarshalText(in.Value)
	if err != nil || len(text) > inputs.MaxValue || len(text) > *left {
		return vocab.InputTooLarge
	}
	*left -= len(text)
	return vocab.InputRecorded
}

// hasSecret reports whether the value at the path is or contains a secret, by the names
// in the path or by its content.
func hasSecret(path []string, value any) bool {
	for _, name := range slices.Backward(path[1:]) {
		value = map[string]any{name: value}
	}
	r := newRedactor()
	r.redactValue((*location)(nil).child(path[0]), value, notSecret, 0)
	return r.secrets > 0
}
