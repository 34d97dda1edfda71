package jsonvalue

import "strings"

// Clip shortens a text that is longer than limit bytes: it keeps at most limit
// bytes, ends between two characters, leaves out bytes that are not UTF-8, and
// adds "…". A text that is not longer is returned unchanged.
func Clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
