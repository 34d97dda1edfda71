package strictjson

import "strings"

var tokenEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// Token escapes the name of a member for a JSON pointer (RFC 6901, section 3). The
// slash before it is not part of the result.
func Token(name string) string { return tokenEscapes.Replace(name) }
