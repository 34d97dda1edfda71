package rules

// RegisterFormats adds the formats of this package to a compiler of the library.
var RegisterFormats = registerFormats
