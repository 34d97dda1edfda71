package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/namefold"
)

// kind says what a name makes of the values under it.
type kind uint8

const (
	plain  kind = iota // nothing: content decides
	soft               // a text without spaces, or a number of digits, is a secret: pin, pass
	texts              // a text is a secret, and each text of a list; a number is not: token, cookie
	manyOf             // as texts, and also each text in an object below: tokens, cookies
	strong             // every text and number is a secret, also in an object below: password, api_key
)

// heads are the words that make a name a secret's when they are its head. Words
// of a name are joined where they belong together, such as api and key.
var heads = map[string]kind{
	"pin": soft, "pass": soft, "otp": soft, "totp": soft, "cvv": soft, "cvc": soft, "csc": soft, "sig": soft,
	"mfacode": soft, "otpcode": soft, "pincode": soft, "securitycode": soft, "verificationcode": soft, "cardcode": soft,

	"token": texts, "auth": texts, "authorization": texts, "cookie": texts, "session": texts, "sessionid": texts, "jwt": texts,
	"bearer": texts, "basicauth": texts, "authkey": texts, "sessid": texts, "jsessionid": texts, "phpsessid": texts,
	"connectsid": texts, "authorizationcode": texts, "authcode": texts, "codeverifier": texts, "clientassertion": texts,
	"xamzsignature": texts, "xgoogsignature": texts,

	"tokens": manyOf, "cookies": manyOf, "sessions": texts, "jwts": manyOf,

	"password": strong, "passwords": strong, "passwd": strong, "pwd": strong, "pw": strong, "pswd": strong, "pword": strong, "passphrase": strong, "passphrases": strong,
	"passcode": strong, "secret": strong, "secrets": strong, "cred": strong, "credential": strong, "credentials": strong, "creds": strong,
	"accesstoken": strong, "refreshtoken": strong, "idtoken": strong, "authtoken": strong, "bearertoken": strong,
	"sessiontoken": strong, "csrftoken": strong, "xsrftoken": strong, "securitytoken": strong,
	"apikey": strong, "apikeys": strong, "secretkey": strong, "secretaccesskey": strong, "accesskey": strong, "privatekey": strong,
	"privatekeys": strong, "signingkey": strong, "encryptionkey": strong, "masterkey": strong, "sshkey": strong, "sharedkey": strong,
	"accountkey": strong, "storagekey": strong, "servicekey": strong, "hmackey": strong, "symmetrickey": strong, "subscriptionkey": strong,
	"deploykey": strong, "hostkey": strong, "sessionkey": strong, "decryptionkey": strong, "wrappingkey": strong,
	"seedphrase": strong, "recoveryphrase": strong, "mnemonic": strong, "recoverycode": strong, "recoverycodes": strong,
	"backupcode": strong, "backupcodes": strong, "securityanswer": strong,
}

// tails are words after the head that do not change what the name means.
var tails = wordSet(`value values text string str raw plain plaintext clear cleartext hash hashed digest encoded encrypted enc base b64 hex
	confirmation confirm confirmed again repeat repeated verify new old current previous prev next temp temporary initial default
	prod production dev development test testing stage staging live main primary secondary backup input field param parameter data header`)

// joints are words that end the part of a name that says what the thing is, as
// in password_for_db.
var joints = wordSet(`for of from to in on with by at`)

// describing are the words that, below a name for secrets, say what is no secret.
var describing = wordSet(`user username login name names label id ids uid email mail type kind role scope scopes host hostname port url uri region
	tenant realm issuer subject account iban bic amount currency owner purpose reason status state description expires expiry
	expiration created updated at algorithm alg version count length enabled provider service environment`)

// values are the names of the value in a list of names with values.
var values = wordSet(`value values val v content data text`)

// labels are the names of the name in such a list.
var labels = [...]string{"name", "key", "header", "field", "parameter", "param", "Name", "Key", "k", "id"}

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// ofName is what the name says of its value.
func ofName(name string) kind {
	words := split(name)
	for i, word := range words {
		if i > 0 && joints[word] {
			words = words[:i]
			break
		}
	}
	for len(words) > 0 {
		if k := ofHead(words); k != plain {
			return k
		}
		if last := words[len(words)-1]; !tails[last] && !digits(last) {
			return plain
		}
		words = words[:len(words)-1]
	}
	return plain
}

// ofHead looks at the last three words, joined as one, two and three. What
// stands in one word may have others before it: dbpassword.
func ofHead(words []string) (found kind) {
	joined := ""
	for n := 1; n <= min(3, len(words)); n++ {
		joined = words[len(words)-n] + joined
		found = max(found, heads[joined])
	}
	for _, end := range [...]string{"password", "passwd", "passphrase", "secret", "apikey", "privatekey", "secretkey", "accesstoken", "authtoken"} {
		if last := words[len(words)-1]; strings.HasSuffix(last, end) {
			return strong
		}
	}
	return found
}

// describes reports whether a name below one for secrets is for no secret.
func describes(name string) bool {
	words := split(name)
	return len(words) > 0 && describing[words[len(words)-1]]
}

func isOneOf(set map[string]bool, name string) bool { return set[strings.ToLower(name)] }

func digits(word string) bool {
	return strings.Trim(word, "0123456789") == ""
}

// maxFolded bounds, in bytes, the words that are folded; those of heads are shorter.
const maxFolded = 64

// folded is the word in lower case, and the plain word where it is spelled with
// letters that a reader takes for those: full width ones, say.
func folded(word string) string {
	for i := range len(word) {
		if word[i] >= utf8.RuneSelf && len(word) <= maxFolded {
			return namefold.Fold(word)
		}
	}
	return strings.ToLower(word)
}

// split is the words of a name, in lower case. A word ends at everything that is
// neither a letter nor a digit, between a small and a capital letter, before the
// last of several capitals that a small letter follows, and between a letter and
// a digit.
func split(name string) []string {
	if !utf8.ValidString(name) {
		name = strings.ToValidUTF8(name, " ")
	}
	if strings.ContainsFunc(name, ignorable) { // it is no part of a word, and ends none
		name = strings.Map(func(c rune) rune {
			if ignorable(c) {
				return -1
			}
			return c
		}, name)
	}
	var words []string
	start, before := -1, rune(0)
	end := func(at int) {
		if start >= 0 && at > start {
			words = append(words, folded(name[start:at]))
		}
		start = -1
	}
	last := 0 // where the rune before begins
	for i, c := range name {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			end(i)
		case start < 0:
			start = i
		case unicode.IsDigit(c) != unicode.IsDigit(before), unicode.IsUpper(c) && unicode.IsLower(before):
			end(i)
			start = i
		case unicode.IsLower(c) && unicode.IsUpper(before) && last > start:
			end(last)
			start = last
		}
		before, last = c, i
	}
	end(len(name))
	return words
}
