package storage

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// InputsRow has the recorded inputs of a decision, as they are stored beside the audit log.
type InputsRow struct {
	Sequence int64  // of the entry of the decision
	Salt     []byte // random
	Text     string // JSON
}

const (
	inputsVersion = "aureus.inputs.v1" // the first part of the hashed bytes
	inputsHash    = "inputs_hash"      // the detail of an entry with the hash of its inputs
	saltBytes     = 32
)

// newInputsRow returns the row for the entry with that sequence.
func newInputsRow(sequence int64, inputs []aureus.DecisionInput) (InputsRow, error) {
	text, err := strictjson.MarshalText(inputs)
	if err != nil {
		return InputsRow{}, fmt.Errorf("writing the inputs of a decision: %w", err)
	}
	row := InputsRow{Sequence: sequence, Salt: make([]byte, saltBytes), Text: string(text)}
	_, _ = rand.Read(row.Salt) // never fails
	return row, nil
}

// Hash returns what the entry commits to: the lower-case hex of the SHA-256 of the version,
// the tenant, the sequence, the salt and the text, each preceded by its length as in the
// hash of an entry. Nobody who does not know the salt can try out texts.
func (r InputsRow) Hash(tenant string) string {
	h := sha256.New()
	for _, part := range [...]string{inputsVersion, tenant, strconv.FormatInt(r.Sequence, 10), string(r.Salt), r.Text} {
		writePart(h, part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// addInputs stores the inputs of the entry that follows the head, and returns the entry
// without them: it has their hash in its details.
func (l *auditRules) addInputs(tenant string, at time.Time, head Head, e aureus.AuditRecord) (aureus.AuditRecord, error) {
	if len(e.Inputs) == 0 {
		return e, nil
	}
	row, err := newInputsRow(head.Sequence+1, e.Inputs)
	if err != nil {
		return e, err
	}
	details := maps.Clone(e.Details)
	if details == nil {
		details = map[string]any{}
	}
	details[inputsHash] = row.Hash(tenant)
	e.Details, e.Inputs = details, nil
	return e, l.AddInputs(tenant, at, row)
}

// WithInputs implements [Audit].
func (l *auditRules) WithInputs(tenant string, entries []aureus.AuditRecord) error {
	if len(entries) == 0 {
		return nil
	}
	place := make(map[int64]int, len(entries))
	for i := range entries {
		place[entries[i].Sequence] = i
	}
	return l.Inputs(tenant, entries[0].Sequence-1, entries[len(entries)-1].Sequence, func(row InputsRow) error {
		i, found := place[row.Sequence]
		if !found {
			return nil
		}
		if err := strictjson.Unmarshal([]byte(row.Text), &entries[i].Inputs); err != nil {
			return fmt.Errorf("the inputs of audit entry %d: %w", row.Sequence, err)
		}
		return nil
	})
}
