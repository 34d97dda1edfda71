package rules

import "github.com/farmountain/aureus-go/internal/schemax"

// RegisterFormats adds the formats of a schema to a compiler of the library.
var RegisterFormats = schemax.RegisterFormats
