package format

import (
	"errors"
	"strings"
	"unicode/utf8"
)

var errTemplate = errors.New("has an expression in braces that is not valid in RFC 6570")

// uriTemplate checks the grammar of RFC 6570. Operators that the RFC reserves are not
// valid.
func uriTemplate(text string) error {
	for text != "" {
		switch c := text[0]; {
		case c == '{':
			expression, rest, found := strings.Cut(text[1:], "}")
			if !found || !isExpression(expression) {
				return errTemplate
			}
			text = rest
		case c == '%':
			if len(text) < 3 || !isHex(text[1]) || !isHex(text[2]) {
				return errPercent
			}
			text = text[3:]
		case c <= ' ' || c == 0x7F || strings.IndexByte("\"<>\\^`|}", c) >= 0:
			return errCharacter
		default:
			r, size := utf8.DecodeRuneInString(text)
			if c >= utf8.RuneSelf && !isUCS(r) && !isPrivate(r) {
				return errCharacter
			}
			text = text[size:]
		}
	}
	return nil
}

func isExpression(text string) bool {
	if text != "" && strings.IndexByte("+#./;?&", text[0]) >= 0 {
		text = text[1:]
	}
	for variable := range strings.SplitSeq(text, ",") {
		name, length, prefixed := strings.Cut(variable, ":")
		if prefixed {
			if length == "" || len(length) > 4 || length[0] == '0' || leadingDigits(length) != len(length) {
				return false
			}
		} else {
			name = strings.TrimSuffix(name, "*")
		}
		if !isVariable(name) {
			return false
		}
	}
	return true
}

func isVariable(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || checkCharacters(part, "_", false, false) != nil {
			return false
		}
	}
	return true
}
