package crv

import (
	"fmt"
	"net/http"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/pattern"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// memory limits the memory of the registered validators, which stay compiled for as
// long as they are registered: a subject may take a quarter of the limit, a tenant
// half of it. It is safe for concurrent use.
type memory struct {
	mu       sync.Mutex
	weights  map[validatorName]int64
	subjects map[validatorOwner]int64 // without those registered for the tenant
	tenants  map[string]int64
	total    int64
}

type validatorOwner struct{ tenant, subject string }

type validatorName struct {
	validatorOwner
	scope storage.Scope
	id    string
}

func nameOf(v storage.Validator) validatorName {
	return validatorName{validatorOwner{v.Tenant, v.Owner}, v.Scope, v.ID}
}

// take counts the validator instead of the one with the same name, or refuses it
// where the limit is reached. A validator that takes no more than the one before it
// is never refused. undo counts the one before again.
func (m *memory) take(v storage.Validator, limit int64) (undo func(), err error) {
	name, weight := nameOf(v), weighValidator(v.Config)
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.weights[name]
	if more := weight - before; more > 0 {
		for _, level := range []struct {
			name       string
			has, limit int64
			counts     bool
		}{
			{"subject", m.subjects[name.validatorOwner], limit / 4, v.Scope == storage.ScopeSubject},
			{"tenant", m.tenants[v.Tenant], limit / 2, true},
			{"server", m.total, limit, true},
		} {
			if level.counts && level.has+more > level.limit {
				return nil, web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the validator takes about %d KiB of memory, and those of this %s have %d of %d KiB already",
					weight>>10, level.name, level.has>>10, level.limit>>10), web.WithRemediation("Register fewer or smaller ones: patterns take most, then expressions."))
			}
		}
	}
	m.set(name, weight)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.set(name, before)
	}, nil
}

// add counts a stored validator, also above the limit.
func (m *memory) add(v storage.Validator) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(nameOf(v), weighValidator(v.Config))
}

// set sets the weight of the name; 0 removes it. The caller holds mu.
func (m *memory) set(name validatorName, weight int64) {
	if m.weights == nil {
		m.weights, m.subjects, m.tenants = map[validatorName]int64{}, map[validatorOwner]int64{}, map[string]int64{}
	}
	more := weight - m.weights[name]
	m.total += more
	m.tenants[name.tenant] += more
	if name.scope == storage.ScopeSubject {
		m.subjects[name.validatorOwner] += more
	}
	if m.weights[name] = weight; weight == 0 {
		delete(m.weights, name)
	}
}

// How many bytes the parts of a configuration take when they are compiled, each
// above the highest measured value.
const (
	weightOfValidator   = 8 << 10
	weightOfValue       = 1280      // a value of the configuration, such as a keyword of a schema
	weightOfText        = 4         // a byte of a text
	weightOfExpression  = 400       // a byte of an expression
	weightOfMatch       = 192 << 10 // a match in an expression, with a pattern of the largest size
	weightOfClassMatch  = 8 << 20   // the same with classes of Unicode
	weightOfPattern     = 4 << 10
	weightOfInstruction = 192 // an instruction of a pattern
	weightOfRune        = 16  // a rune that an instruction names
)

// unicodeClass finds what may be a Unicode class in an expression: \p, or an escape
// that may stand for its backslash.
var unicodeClass = regexp.MustCompile(`\\[pPxXuU0-7]`)

// weighValidator estimates how many bytes a configuration takes when it is compiled.
func weighValidator(config string) int64 {
	value, err := strictjson.Parse([]byte(config))
	if err != nil { // never: the configuration has been compiled before
		return weightOfValidator + weightOfExpression*int64(len(config))
	}
	return weightOfValidator + weigh("", value)
}

// weigh weighs the value of the member with that name.
func weigh(name string, value any) int64 {
	weight := int64(weightOfValue)
	switch value := value.(type) {
	case map[string]any:
		for member, item := range value {
			weight += weightOfText*int64(len(member)) + weigh(member, item)
			if name == "patternProperties" {
				weight += weighPattern(member)
			}
		}
	case []any:
		for _, item := range value {
			weight += weigh(name, item)
		}
	case string:
		weight += weightOfText * int64(len(value))
		if name == "pattern" {
			weight += weighPattern(value)
		}
		if strings.HasSuffix(name, "expression") {
			match := int64(weightOfMatch)
			if unicodeClass.MatchString(value) {
				match = weightOfClassMatch
			}
			weight += weightOfExpression*int64(len(value)) + match*int64(strings.Count(value, "matches"))
		}
	}
	return weight
}

// The largest pattern that a configuration can have.
const (
	maxPatternBytes = 1_000
	maxPatternSize  = 10_000
)

func weighPattern(text string) int64 {
	if pattern.Check(text, maxPatternBytes, maxPatternSize) != nil { // not a valid pattern
		return 0
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 0
	}
	weight := int64(weightOfPattern)
	for i := range program.Inst {
		weight += weightOfInstruction + weightOfRune*int64(len(program.Inst[i].Rune))
	}
	return weight
}
