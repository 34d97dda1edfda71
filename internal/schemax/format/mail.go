package format

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const (
	maxMailbox = 254
	maxLocal   = 64
)

var errMailbox = errors.New("is not a valid mail address")

// mailbox checks a Mailbox of RFC 5321 or, if it is international, of RFC 6531.
func mailbox(text string, international bool) error {
	if len(text) > maxMailbox {
		return errLength
	}
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return errMailbox
	}
	local, domain := text[:at], text[at+1:]
	if len(local) > maxLocal || !isLocal(local, international) {
		return errMailbox
	}
	if literal, found := strings.CutPrefix(domain, "["); found {
		literal, closed := strings.CutSuffix(literal, "]")
		if !closed {
			return errMailbox
		}
		if address, found := strings.CutPrefix(literal, "IPv6:"); found {
			return ipv6(address)
		}
		return ipv4(literal)
	}
	if international {
		return internationalHostname(domain)
	}
	return hostname(domain)
}

// isLocal reports whether a string is a valid part before the at sign: words separated by
// dots, or a quoted string.
func isLocal(text string, international bool) bool {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return isQuoted(text[1:len(text)-1], international)
	}
	for word := range strings.SplitSeq(text, ".") {
		if word == "" {
			return false
		}
		for i := range len(word) {
			c := word[i]
			if !isLetter(c) && !isDigit(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 && !(international && c >= utf8.RuneSelf) {
				return false
			}
		}
	}
	return true
}

func isQuoted(text string, international bool) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' {
			i++
			if i == len(text) {
				return false
			}
			c = text[i]
		} else if c == '"' {
			return false
		}
		if (c < ' ' || c > '~') && !(international && c >= utf8.RuneSelf) {
			return false
		}
	}
	return true
}
