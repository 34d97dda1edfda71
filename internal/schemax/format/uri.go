package format

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"
)

var (
	errCharacter = errors.New("has a character that is not allowed or must be percent-encoded")
	errPercent   = errors.New("has a percent sign without two hexadecimal digits")
	errHost      = errors.New("has an invalid host or port")
)

const (
	unreservedMarks = "-._~"
	subDelims       = "!$&'()*+,;="
	pathMarks       = unreservedMarks + subDelims + ":@"
)

// uri checks the grammar of RFC 3986 or, if it is international, of RFC 3987. An absolute
// URI has a scheme.
func uri(text string, absolute, international bool) error {
	rest, fragment, _ := strings.Cut(text, "#")
	rest, query, _ := strings.Cut(rest, "?")
	scheme, path, hasScheme := strings.Cut(rest, ":")
	if hasScheme && strings.Contains(scheme, "/") {
		scheme, path, hasScheme = "", rest, false // the colon is in a later part of the path
	}
	switch {
	case hasScheme && !isScheme(scheme):
		return errors.New("has an invalid scheme before its first colon")
	case !hasScheme && absolute:
		return errors.New("lacks a scheme")
	case !hasScheme:
		path = rest
	}
	if beside, ok := strings.CutPrefix(path, "//"); ok {
		authority, further, found := strings.Cut(beside, "/")
		if err := checkAuthority(authority, international); err != nil {
			return err
		}
		path = ""
		if found {
			path = "/" + further
		}
	}
	return errors.Join(
		checkCharacters(path, pathMarks+"/", international, false),
		checkCharacters(query, pathMarks+"/?", international, international),
		checkCharacters(fragment, pathMarks+"/?", international, false),
	)
}

func isScheme(text string) bool {
	for i := range len(text) {
		if c := text[i]; !isLetter(c) && (i == 0 || !isDigit(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return text != ""
}

func checkAuthority(text string, international bool) error {
	host := text
	if user, after, found := strings.Cut(text, "@"); found {
		if err := checkCharacters(user, unreservedMarks+subDelims+":", international, false); err != nil {
			return err
		}
		host = after
	}
	if strings.HasPrefix(host, "[") {
		literal, port, found := strings.Cut(host[1:], "]")
		if !found || !isIPLiteral(literal) || port != "" && !isPort(strings.TrimPrefix(port, ":"), port) {
			return errHost
		}
		return nil
	}
	name, port, _ := strings.Cut(host, ":")
	if leadingDigits(port) != len(port) {
		return errHost
	}
	return checkCharacters(name, unreservedMarks+subDelims, international, false)
}

// isPort reports whether the text after an address in brackets is empty or a port.
func isPort(digits, written string) bool {
	return written[0] == ':' && leadingDigits(digits) == len(digits)
}

// isIPLiteral reports whether a string is valid between the brackets of a host: an IPv6
// address, or an address of a later version.
func isIPLiteral(text string) bool {
	if text != "" && (text[0] == 'v' || text[0] == 'V') {
		version, address, found := strings.Cut(text[1:], ".")
		if !found || version == "" || address == "" {
			return false
		}
		for i := range len(version) {
			if !isHex(version[i]) {
				return false
			}
		}
		return checkCharacters(address, unreservedMarks+subDelims+":", false, false) == nil && !strings.Contains(address, "%")
	}
	return ipv6(text) == nil
}

// checkCharacters checks that a string has only letters, digits, the given marks and
// percent-encoded bytes, and if it is international, the characters beyond ASCII that RFC
// 3987 allows.
func checkCharacters(text, marks string, international, private bool) error {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case isLetter(c), isDigit(c), strings.IndexByte(marks, c) >= 0:
			i++
		case c == '%':
			if i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2]) {
				return errPercent
			}
			i += 3
		case c >= utf8.RuneSelf && international:
			r, size := utf8.DecodeRuneInString(text[i:])
			if !isUCS(r) && !(private && isPrivate(r)) {
				return errCharacter
			}
			i += size
		default:
			return errCharacter
		}
	}
	return nil
}

// isUCS reports whether a character is a ucschar of RFC 3987.
func isUCS(r rune) bool {
	const planes, lastPlane = 0x1_0000, 0xE_FFFD
	switch {
	case r < planes:
		return r >= 0xA0 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF || r >= 0xFDF0 && r <= 0xFFEF
	case r >= 0xE_0000 && r < 0xE_1000, r > lastPlane:
		return false
	default:
		return r%planes <= 0xFFFD // the last two code points of a plane are not characters
	}
}

// isPrivate reports whether a character is an iprivate of RFC 3987.
func isPrivate(r rune) bool {
	return r >= 0xE000 && r <= 0xF8FF || r >= 0xF_0000 && r <= 0xF_FFFD || r >= 0x10_0000 && r <= 0x10_FFFD
}

func ipv4(text string) error {
	if address, err := netip.ParseAddr(text); err != nil || !address.Is4() {
		return errors.New("is not a valid IPv4 address")
	}
	return nil
}

func ipv6(text string) error {
	if address, err := netip.ParseAddr(text); err != nil || !address.Is6() || strings.Contains(text, "%") {
		return errors.New("is not a valid IPv6 address")
	}
	return nil
}
