package redact

import (
	"encoding/base64"
	"strings"
)

// tokenShape is the form of a key of a well-known service: a prefix, followed
// by at least minLength letters, digits, underscores, hyphens and, if dotted,
// dots.
type tokenShape struct {
	prefix    string
	minLength int
	dotted    bool
}

var tokenShapes = indexByFirstByte([]tokenShape{
	{"AKIA", 16, false},
	{"ASIA", 16, false}, // Amazon
	{"ghp_", 20, false},
	{"gho_", 20, false},
	{"ghu_", 20, false},
	{"ghs_", 20, false},
	{"ghr_", 20, false},
	{"github_pat_", 20, false},
	{"glpat-", 20, false},
	{"gldt-", 20, false},
	{"glrt-", 20, false},
	{"sk_live_", 10, false},
	{"sk_test_", 10, false},
	{"rk_live_", 10, false},
	{"rk_test_", 10, false},
	{"whsec_", 16, false}, // Stripe
	{"sk-", 20, false},    // OpenAI, Anthropic
	{"xoxb-", 10, false},
	{"xoxp-", 10, false},
	{"xoxa-", 10, false},
	{"xoxr-", 10, false},
	{"xoxs-", 10, false},
	{"xapp-", 10, false},
	{"AIza", 35, false},
	{"ya29.", 20, true},
	{"GOCSPX-", 20, false}, // Google
	{"npm_", 30, false},
	{"pypi-", 30, false},
	{"hf_", 30, false},
	{"SG.", 30, true},
	{"dop_v1_", 40, false},
	{"shpat_", 30, false},
	{"shpss_", 30, false},
	{"AGE-SECRET-KEY-1", 30, false},
	{"hvs.", 20, false},
	{"hvb.", 20, false},
	{"lin_api_", 30, false},
	{"key-", 32, false},
	{"dckr_pat_", 20, false},
	{"sntrys_", 20, false},
	{"atlasv1.", 20, false},
	{"key_", 70, true}, // a key of the control plane: its id, a dot, its secret
})

func indexByFirstByte(list []tokenShape) (table [256][]tokenShape) {
	for _, s := range list {
		table[s.prefix[0]] = append(table[s.prefix[0]], s)
	}
	return table
}

// tokenAt returns the bounds of a secret that is recognized by its form and
// begins at i, which must be the beginning of a word. next is where to
// continue; it is i if nothing was recognized.
func tokenAt(text string, i int) (from, to, next int) {
	for _, s := range tokenShapes[text[i]] {
		if strings.HasPrefix(text[i:], s.prefix) {
			if n := countKeyChars(text[i+len(s.prefix):], s.dotted); n >= s.minLength {
				return i, i + len(s.prefix) + n, i + len(s.prefix) + n
			}
		}
	}
	switch text[i] {
	case 'e':
		n, looked := matchWebToken(text[i:])
		return i, i + n, i + looked
	case '-':
		from, to = privateKey(text, i)
	case 'b', 'B', 'n', 'N', 'd', 'D', 't', 'T', 'a', 'A':
		from, to = credentialsAfterScheme(text, i)
	}
	if from < to {
		return from, to, to
	}
	return i, i, i
}

// countKeyChars returns how many characters of a key the text begins with.
func countKeyChars(text string, dotted bool) int {
	for i := range len(text) {
		if c := text[i]; !isWord(c) && c != '-' && (c != '.' || !dotted) {
			return i
		}
	}
	return len(text)
}

// matchWebToken returns the length of the JSON Web Token that the text begins
// with: base64 parts separated by dots, the first of which begins with {" in
// base64. The length is 0 if there is none; looked is the length within which
// no other token can begin.
func matchWebToken(text string) (length, looked int) {
	if !strings.HasPrefix(text, "eyJ") {
		return 0, 0
	}
	parts := 0
	for {
		n := countKeyChars(text[length:], false)
		length += n
		if n < 2 && parts < 2 {
			return 0, length
		}
		parts++
		if length == len(text) || text[length] != '.' || parts == 5 {
			break
		}
		length++
	}
	if parts < 2 || length < 16 {
		return 0, length
	}
	return length, length
}

// privateKey returns the bounds of the content of a private key in PEM format,
// up to its end or the end of the text.
func privateKey(text string, i int) (from, to int) {
	const begin = "-----BEGIN "
	if !strings.HasPrefix(text[i:], begin) {
		return i, i
	}
	label := text[i+len(begin) : min(len(text), i+len(begin)+64)]
	end := strings.Index(label, "-----")
	if end < 0 || !strings.Contains(label[:end], "PRIVATE KEY") {
		return i, i
	}
	from = i + len(begin) + end + len("-----")
	to = len(text)
	if n := strings.Index(text[from:], "-----END "); n >= 0 {
		to = from + n
	}
	return from, to
}

// schemes are the authentication schemes of the header Authorization, in lower
// case, whose credentials are secret.
var schemes = [...]string{"bearer", "basic", "negotiate", "digest", "token", "aws4-hmac-sha256"}

// credentialsAfterScheme returns the bounds of the text after the name of an
// authentication scheme, if it looks like credentials and not like prose.
func credentialsAfterScheme(text string, i int) (from, to int) {
	for _, scheme := range schemes {
		if len(text)-i <= len(scheme)+1 || !strings.EqualFold(text[i:i+len(scheme)], scheme) || text[i+len(scheme)] != ' ' {
			continue
		}
		from = i + len(scheme) + 1
		for n := 0; from < len(text) && text[from] == ' ' && n < maxSpace; n++ {
			from++
		}
		to = from
		for to < len(text) && (isWord(text[to]) || strings.IndexByte("-.~+/=", text[to]) >= 0) {
			to++
		}
		whole := i == 0 && to == len(text)
		if looksLikeCredentials(scheme, text[from:to], whole) {
			return from, to
		}
		return i, i
	}
	return i, i
}

func looksLikeCredentials(scheme, value string, whole bool) bool {
	if value == "" {
		return false
	}
	switch scheme {
	case "basic":
		decoded, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			decoded, err = base64.RawStdEncoding.DecodeString(value)
		}
		return err == nil && strings.Contains(string(decoded), ":")
	case "bearer":
		if whole {
			return true
		}
	}
	return len(value) >= 16 && strings.ContainsAny(value, "0123456789")
}
