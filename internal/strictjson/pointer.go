package strictjson

import "strings"

var tokenEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// Token is the name of a member as it stands in a JSON pointer, behind a slash
// (RFC 6901, section 3).
func Token(name string) string { return tokenEscapes.Replace(name) }
