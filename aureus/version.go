package aureus

// Version is the version of this module, as its requests name it in User-Agent.
const Version = "0.1.0"

const defaultUserAgent = "aureus-go/" + Version
