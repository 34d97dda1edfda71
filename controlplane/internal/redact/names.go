package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/namefold"
)

// kind says which values a name makes secrets.
type kind uint8

const (
	notSecret        kind = iota // the name says nothing; the content decides
	secretCode                   // a text without spaces and a number of digits are secrets: pin, pass
	secretTexts                  // a text and each text in a list are secrets, a number is not: token, cookie
	secretCollection             // as secretTexts, and also each text in an object: tokens, cookies
	secretAll                    // every text and number is a secret, also in an object: password, api_key
)

// headWords gives the kind of a name whose head is the word. Words that belong
// together, such as api and key, are joined.
var headWords = map[string]kind{
	"pin": secretCode, "pass": secretCode, "otp": secretCode, "totp": secretCode, "cvv": secretCode, "cvc": secretCode, "csc": secretCode, "sig": secretCode,
	"mfacode": secretCode, "otpcode": secretCode, "pincode": secretCode, "securitycode": secretCode, "verificationcode": secretCode, "cardcode": secretCode,

	"token": secretTexts, "auth": secretTexts, "authorization": secretTexts, "cookie": secretTexts, "session": secretTexts, "sessionid": secretTexts, "jwt": secretTexts,
	"bearer": secretTexts, "basicauth": secretTexts, "authkey": secretTexts, "sessid": secretTexts, "jsessionid": secretTexts, "phpsessid": secretTexts,
	"connectsid": secretTexts, "authorizationcode": secretTexts, "authcode": secretTexts, "codeverifier": secretTexts, "clientassertion": secretTexts,
	"xamzsignature": secretTexts, "xgoogsignature": secretTexts,

	"tokens": secretCollection, "cookies": secretCollection, "sessions": secretTexts, "jwts": secretCollection,

	"password": secretAll, "passwords": secretAll, "passwd": secretAll, "pwd": secretAll, "pw": secretAll, "pswd": secretAll, "pword": secretAll, "passphrase": secretAll, "passphrases": secretAll,
	"passcode": secretAll, "secret": secretAll, "secrets": secretAll, "cred": secretAll, "credential": secretAll, "credentials": secretAll, "creds": secretAll,
	"accesstoken": secretAll, "refreshtoken": secretAll, "idtoken": secretAll, "authtoken": secretAll, "bearertoken": secretAll,
	"sessiontoken": secretAll, "csrftoken": secretAll, "xsrftoken": secretAll, "securitytoken": secretAll,
	"apikey": secretAll, "apikeys": secretAll, "secretkey": secretAll, "secretaccesskey": secretAll, "accesskey": secretAll, "privatekey": secretAll,
	"privatekeys": secretAll, "signingkey": secretAll, "encryptionkey": secretAll, "masterkey": secretAll, "sshkey": secretAll, "sharedkey": secretAll,
	"accountkey": secretAll, "storagekey": secretAll, "servicekey": secretAll, "hmackey": secretAll, "symmetrickey": secretAll, "subscriptionkey": secretAll,
	"deploykey": secretAll, "hostkey": secretAll, "sessionkey": secretAll, "decryptionkey": secretAll, "wrappingkey": secretAll,
	"seedphrase": secretAll, "recoveryphrase": secretAll, "mnemonic": secretAll, "recoverycode": secretAll, "recoverycodes": secretAll,
	"backupcode": secretAll, "backupcodes": secretAll, "securityanswer": secretAll,
}

// tailWords are words after the head that do not change the meaning of the
// name.
var tailWords = wordSet(`value values text string str raw plain plaintext clear cleartext hash hashed digest encoded encrypted enc base b64 hex
	confirmation confirm confirmed again repeat repeated verify new old current previous prev next temp temporary initial default
	prod production dev development test testing stage staging live main primary secondary backup input field param parameter data header`)

// prepositions end the part of a name that says what the value is, as in
// password_for_db.
var prepositions = wordSet(`for of from to in on with by at`)

// descriptionWords are the heads of names whose values are not secrets although
// they are inside a secret object.
var descriptionWords = wordSet(`user username login name names label id ids uid email mail type kind role scope scopes host hostname port url uri region
	tenant realm issuer subject account iban bic amount currency owner purpose reason status state description expires expiry
	expiration created updated at algorithm alg version count length enabled provider service environment`)

// valueNames are the names of the value in an object with a name and a value.
var valueNames = wordSet(`value values val v content data text`)

// labelNames are the names of the name in such an object.
var labelNames = [...]string{"name", "key", "header", "field", "parameter", "param", "Name", "Key", "k", "id"}

func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// kindOfName returns the kind that a name gives its value.
func kindOfName(name string) kind {
	words := splitWords(name)
	for i, word := range words {
		if i > 0 && prepositions[word] {
			words = words[:i]
			break
		}
	}
	for len(words) > 0 {
		if k := kindOfHead(words); k != notSecret {
			return k
		}
		if last := words[len(words)-1]; !tailWords[last] && !isDigits(last) {
			return notSecret
		}
		words = words[:len(words)-1]
	}
	return notSecret
}

// kindOfHead looks up the last one, two and three words, joined. Some words
// also count at the end of a longer word, as in dbpassword.
func kindOfHead(words []string) (found kind) {
	joined := ""
	for n := 1; n <= min(3, len(words)); n++ {
		joined = words[len(words)-n] + joined
		found = max(found, headWords[joined])
	}
	for _, end := range [...]string{"password", "passwd", "passphrase", "secret", "apikey", "privatekey", "secretkey", "accesstoken", "authtoken"} {
		if last := words[len(words)-1]; strings.HasSuffix(last, end) {
			return secretAll
		}
	}
	return found
}

// isDescription reports whether the value of a name that occurs inside a secret
// object is not a secret, for example credentials.username.
func isDescription(name string) bool {
	words := splitWords(name)
	return len(words) > 0 && descriptionWords[words[len(words)-1]]
}

func inSet(set map[string]bool, name string) bool { return set[strings.ToLower(name)] }

func isDigits(word string) bool {
	return strings.Trim(word, "0123456789") == ""
}

// maxFolded is the length, in bytes, up to which words are folded. All
// headWords are shorter.
const maxFolded = 64

// foldWord returns the word in lower case. Letters that look like ASCII
// letters, such as full width ones, become these.
func foldWord(word string) string {
	for i := range len(word) {
		if word[i] >= utf8.RuneSelf && len(word) <= maxFolded {
			return namefold.Fold(word)
		}
	}
	return strings.ToLower(word)
}

// splitWords returns the words of a name in lower case. A word ends at every
// character that is neither a letter nor a digit, between a lower case and an
// upper case letter, before the last of several upper case letters that a lower
// case letter follows, and between a letter and a digit.
func splitWords(name string) []string {
	if !utf8.ValidString(name) {
		name = strings.ToValidUTF8(name, " ")
	}
	if strings.ContainsFunc(name, ignorable) { // invisible characters neither belong to a word nor end one
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
			words = append(words, foldWord(name[start:at]))
		}
		start = -1
	}
	last := 0 // the position of the previous rune
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
