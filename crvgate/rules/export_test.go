package rules

// RegisterFormats makes a compiler of the library check formats as this package does.
var RegisterFormats = registerFormats
