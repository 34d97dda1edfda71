package syntax

import "time"

// The limits of a bundle. A bundle that exceeds one is refused.
const (
	MaxBytes     = 4 << 20 // of the text
	MaxDepth     = 100     // levels of lists and mappings, free-form values included
	maxParts     = 600_000
	MaxProblems  = 1_000 // that Parse returns
	MaxCondition = 10_000

	MaxPrincipals = 10_000
	MaxRoles      = 10_000
	MaxGrants     = 10_000 // of one role
	MaxAssign     = 1_000
	MaxActions    = 10_000
	MaxRules      = 10_000
	MaxBudgets    = 1_000
	MaxTests      = 10_000
	MaxRoutes     = 10_000 // of all actions
	maxSubtrees   = 1_000  // routes that match more than one path by their end, of all actions

	// MaxMatches bounds the pairs of a rule or budget and an action that it matches.
	MaxMatches = 1_000_000

	maxNamed    = 20_000     // actions that rules and budgets name, in all
	maxCompared = 10_000_000 // pairs of a grant with wildcards and a required permission

	maxRolesOf   = 256 // roles of one principal, and of one approval
	maxEntries   = 100 // entries of tier_when, requires, routes and tools of one action
	maxPatterns  = 1_000
	maxSegments  = 32 // of a resource
	maxDigits    = 64 // characters of a number
	maxSentence  = 1_000
	maxVersion   = 1 << 53
	maxWordShown = 64 // characters of the bundle's text that a message repeats
)

// The bounds of durations. All minima are one second.
const (
	maxAge       = 366 * 24 * time.Hour
	maxWindow    = 31 * 24 * time.Hour
	maxLastAllow = time.Hour
)
