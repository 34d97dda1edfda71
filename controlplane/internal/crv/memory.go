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

// memory limits the memory of the registered validators, which stay compiled while
// they are registered. A subject may use a quarter of the limit, a tenant half of it.
// It is safe for concurrent use.
type memory struct {
	mu       sync.Mutex
	weights  map[validatorName]int64
	subjects map[validatorOwner]int64 // without validators of the whole tenant
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

// reserve counts the weight of a new validator in place of the one with the same name,
// or returns the error response if that would exceed a limit. A validator that is not
// heavier than the one it replaces is never refused. undo restores the weight before.
func (m *memory) reserve(v storage.Validator, limit int64) (undo func(), err error) {
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
				return nil, web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the validator needs about %d KiB of memory, and those of this %s already use %d of %d KiB",
					weight>>10, level.name, level.has>>10, level.limit>>10), web.WithRemediation("Register fewer or smaller validators: patterns need the most memory, then expressions."))
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

// add counts a stored validator when the server starts, even if that exceeds a limit.
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

// Upper estimates of the memory that the parts of a configuration need when compiled,
// in bytes. Each is above the highest measured value.
const (
	weightOfValidator   = 8 << 10
	weightOfValue       = 1280      // a value of the configuration, such as a keyword of a schema
	weightOfText        = 4         // a byte of a text
	weightOfExpression  = 400       // a byte of an expression
	weightOfMatch       = 192 << 10 // a call of matches in an expression, with the largest pattern
	weightOfClassMatch  = 8 << 20   // the same with a Unicode class in the pattern
	weightOfPattern     = 4 << 10
	weightOfInstruction = 192 // an instruction of a pattern
	weightOfRune        = 16  // a rune that an instruction names
)

// unicodeClass matches what may be a Unicode class in an expression: \p, or an escape
// sequence that may stand for its backslash.
var unicodeClass = regexp.MustCompile(`\\[pPxXuU0-7]`)

// weighValidator estimates the memory of a compiled configuration, in bytes.
func weighValidator(config string) int64 {
	value, err := strictjson.Parse([]byte(config))
	if err != nil { // cannot happen: the configuration has been parsed before
		return weightOfValidator + weightOfExpression*int64(len(config))
	}
	return weightOfValidator + weigh("", value)
}

// weigh estimates the memory of a value. name is the name of the member that holds it.
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

// The limits of a pattern in a configuration, as in internal/pattern.Check.
const (
	maxPatternBytes = 1_000
	maxPatternSize  = 10_000
)

// weighPattern estimates the memory of a compiled pattern; it is 0 for an invalid one.
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
