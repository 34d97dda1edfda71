package format

import (
	"errors"
	"strings"
)

// uuid is a UUID of RFC 4122, in either case.
func uuid(text string) error {
	const length = len("00000000-0000-0000-0000-000000000000")
	if len(text) != length {
		return errLength
	}
	for i := range length {
		switch i {
		case 8, 13, 18, 23:
			if text[i] != '-' {
				return errors.New("has no hyphen where one must be")
			}
		default:
			if !isHex(text[i]) {
				return errors.New("has something else than hexadecimal digits")
			}
		}
	}
	return nil
}

// jsonPointer is a pointer of RFC 6901.
func jsonPointer(text string) error {
	if text != "" && text[0] != '/' {
		return errors.New("is neither empty nor begins with a slash")
	}
	for {
		_, rest, found := strings.Cut(text, "~")
		if !found {
			return nil
		}
		if rest == "" || rest[0] != '0' && rest[0] != '1' {
			return errors.New("has a tilde that neither 0 nor 1 follows")
		}
		text = rest
	}
}

// relativeJSONPointer is a relative pointer without an index that is moved.
func relativeJSONPointer(text string) error {
	digits := leadingDigits(text)
	if digits == 0 || digits > 1 && text[0] == '0' {
		return errDigits
	}
	if text[digits:] == "#" {
		return nil
	}
	return jsonPointer(text[digits:])
}
