package rules

// RegisterFormats has a compiler of the library check the formats as this package
// does.
var RegisterFormats = registerFormats
