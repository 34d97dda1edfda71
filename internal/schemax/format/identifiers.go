package format

import (
	"errors"
	"strings"
)

// uuid checks a UUID of RFC 4122, in upper or lower case.
func uuid(text string) error {
	const length = len("00000000-0000-0000-0000-000000000000")
	if len(text) != length {
		return errLength
	}
	for i := range length {
		switch i {
		case 8, 13, 18, 23:
			if text[i] != '-' {
				return errors.New("lacks a hyphen where one is required")
			}
		default:
			if !isHex(text[i]) {
				return errors.New("has a character that is not a hexadecimal digit")
			}
		}
	}
	return nil
}

// jsonPointer checks a pointer of RFC 6901.
func jsonPointer(text string) error {
	if text != "" && text[0] != '/' {
		return errors.New("is not empty and does not begin with a slash")
	}
	for {
		_, rest, found := strings.Cut(text, "~")
		if !found {
			return nil
		}
		if rest == "" || rest[0] != '0' && rest[0] != '1' {
			return errors.New("has a tilde that is not followed by 0 or 1")
		}
		text = rest
	}
}

// relativeJSONPointer checks a relative JSON pointer without an index offset such as 1+1.
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
