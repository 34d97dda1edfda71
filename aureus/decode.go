package aureus

import (
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// decodeDecision reads an answer to EvaluatePolicy strictly. The usual answer
// is read in one pass; everything else goes to the general reader, which also
// says what is wrong.
func decodeDecision(body []byte) (GuardDecision, error) {
	if decision, ok := scanDecision(body); ok {
		return decision, nil
	}
	var decision GuardDecision
	err := strictjson.Unmarshal(body, &decision)
	return decision, err
}

// scanDecision reads an object of declared names, each once, whose values are
// booleans, nulls, plain ASCII texts without escapes, and an approval of the
// same kind. It gives up on anything else, so that what it accepts is a subset
// of what the general reader accepts, with the same result.
func scanDecision(body []byte) (d GuardDecision, ok bool) {
	s := scanner{text: body}
	var seen uint32
	ok = s.object(func(name []byte) bool {
		bit := uint32(0)
		good := false
		switch string(name) {
		case "allowed":
			bit, good = 1<<0, s.flag(&d.Allowed)
		case "reason":
			bit, good = 1<<1, s.string(&d.Reason)
		case "requires_human_approval":
			bit, good = 1<<2, s.flag(&d.RequiresHumanApproval)
		case "approval_token":
			bit, good = 1<<3, s.optional(&d.ApprovalToken)
		case "metadata":
			bit, good = 1<<4, s.null()
		case "decision_id":
			bit, good = 1<<5, s.unmarshal(&d.DecisionID)
		case "effect":
			bit, good = 1<<6, s.optional(&d.Effect)
		case "reason_code":
			bit, good = 1<<7, s.optional((*string)(&d.ReasonCode))
		case "rule":
			bit, good = 1<<8, s.optional(&d.Rule)
		case "policy_version":
			bit, good = 1<<9, s.optional(&d.PolicyVersion)
		case "claimed":
			bit, good = 1<<10, s.flag(&d.Claimed)
		}
		if !good || seen&bit != 0 {
			return false
		}
		seen |= bit
		return true
	})
	const required = 1<<0 | 1<<1 | 1<<2
	return d, ok && s.end() && seen&required == required
}

// scanner reads the plainest JSON. Every method reports whether it found what
// it was asked for.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\n' || s.text[s.at] == '\r' || s.text[s.at] == '\t') {
		s.at++
	}
}

func (s *scanner) byte(c byte) bool {
	s.space()
	if s.at >= len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) word(word string) bool {
	s.space()
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

func (s *scanner) null() bool { return s.word("null") }

func (s *scanner) flag(v *bool) bool {
	if s.word("true") {
		*v = true
		return true
	}
	return s.word("false")
}

// plain reads a text of printable ASCII without escapes.
func (s *scanner) plain() ([]byte, bool) {
	if !s.byte('"') {
		return nil, false
	}
	for start := s.at; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start : s.at-1], true
		case c < ' ' || c == '\\' || c > '~':
			return nil, false
		}
	}
	return nil, false
}

func (s *scanner) string(v *string) bool {
	text, ok := s.plain()
	*v = string(text)
	return ok
}

func (s *scanner) optional(v *string) bool { return s.null() || s.string(v) }

func (s *scanner) unmarshal(v interface{ UnmarshalText([]byte) error }) bool {
	if s.null() {
		return true
	}
	text, ok := s.plain()
	return ok && v.UnmarshalText(text) == nil
}

func (s *scanner) object(member func(name []byte) bool) bool {
	if !s.byte('{') {
		return false
	}
	if s.byte('}') {
		return true
	}
	for {
		name, ok := s.plain()
		if !ok || !s.byte(':') || !member(name) {
			return false
		}
		if s.byte('}') {
			return true
		}
		if !s.byte(',') {
			return false
		}
	}
}

func (s *scanner) end() bool {
	s.space()
	return s.at == len(s.text)
}
