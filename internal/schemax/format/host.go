package format

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxName  = 253 // characters of a host's name in ASCII
	maxLabel = 63
)

var errName = errors.New("is not a valid host name")

// hostname checks a name of RFC 1123. A label that is encoded (xn--…) must decode to one
// that IDNA 2008 allows.
func hostname(text string) error {
	if len(text) > maxName {
		return errLength
	}
	labels := strings.Split(text, ".")
	encoded := false
	for _, label := range labels {
		if !isLabel(label) {
			return errName
		}
		encoded = encoded || isEncoded(label)
	}
	if encoded {
		return checkLabels(labels)
	}
	return nil
}

// isLabel reports whether a label has only letters, digits and hyphens, and no hyphen at
// either end.
func isLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		if c := label[i]; !isLetter(c) && !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}

func isEncoded(label string) bool {
	const prefix = "xn--"
	return len(label) >= len(prefix) && strings.EqualFold(label[:len(prefix)], prefix)
}

// dots are the full stops that separate the labels of a name (RFC 3490).
var dots = strings.NewReplacer("\u3002", ".", "\uFF0E", ".", "\uFF61", ".")

// internationalHostname checks a name of RFC 5890.
func internationalHostname(text string) error {
	const maxBytes = 4 * maxName // a character has at most four bytes
	if len(text) > maxBytes {
		return errLength
	}
	return checkLabels(strings.Split(dots.Replace(text), "."))
}

// profile checks labels and does not change them.
var profile = idna.New(
	idna.ValidateLabels(true), idna.CheckHyphens(true), idna.CheckJoiners(true),
	idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true),
)

// checkLabels checks the labels of an international name.
func checkLabels(labels []string) error {
	decoded := make([]string, len(labels))
	for i, label := range labels {
		if label == "" {
			return errName
		}
		unicode := label
		if isEncoded(label) {
			var err error
			if unicode, err = profile.ToUnicode(strings.ToLower(label)); err != nil || isASCII(unicode) {
				return errName
			}
			if back, err := profile.ToASCII(unicode); err != nil || !strings.EqualFold(back, label) {
				return errName
			}
		}
		if isASCII(unicode) {
			if !isLabel(unicode) {
				return errName
			}
		} else if !isAllowed(unicode) {
			return errName
		}
		decoded[i] = unicode
	}
	name := strings.Join(decoded, ".")
	ascii, err := profile.ToASCII(strings.ToLower(name)) // the rule for text direction applies to all labels together
	if err != nil || len(ascii) > maxName || strings.HasSuffix(name, ".") {
		return errName
	}
	return nil
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
