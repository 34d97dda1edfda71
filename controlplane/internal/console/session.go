package console

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

const (
	idleTime     = 30 * time.Minute // a session ends when no page was asked for so long
	longestTime  = 12 * time.Hour   // it ends so long after the login in any case
	maxSessions  = 1000             // of all keys
	maxKeyed     = 10               // of one key
	cookiePlain  = "aureus-console"
	cookieSecure = "__Host-aureus-console"
)

// sessions holds the sessions of operators, in memory only: they end with the process.
// The browser has the id of its session in a cookie; only a hash of it is kept here.
// Neither has the API key, of which a session knows the id.
//
// A session ends by logging out, after idleTime without a request, longestTime after the
// login, and when its key is revoked, which is checked at each request. When there are
// too many, the one that was idle longest ends. The zero value is ready for use; it is
// safe for concurrent use.
type sessions struct {
	mu   sync.Mutex
	byID map[sessionHash]*session
}

type sessionHash = [sha256.Size]byte

// session is one login. Only used changes, guarded by sessions.mu.
type session struct {
	keyID string
	csrf  string // a random text that each form of the session must have
	begun time.Time
	used  time.Time
}

// begin makes a session for a key and returns its id.
func (s *sessions) begin(keyID string, now time.Time) (id string) {
	id = rand.Text() + rand.Text() // 256 random bits
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[sessionHash]*session{}
	}
	for hash, one := range s.byID {
		if one.ended(now) {
			delete(s.byID, hash)
		}
	}
	s.shrink(maxKeyed-1, func(one *session) bool { return one.keyID == keyID })
	s.shrink(maxSessions-1, func(*session) bool { return true })
	s.byID[sha256.Sum256([]byte(id))] = &session{keyID: keyID, csrf: rand.Text(), begun: now, used: now}
	return id
}

// shrink ends the sessions of those selected that were idle longest, until at most limit
// of them are left. The caller holds mu.
func (s *sessions) shrink(limit int, selected func(*session) bool) {
	for {
		count, oldest := 0, sessionHash{}
		for hash, one := range s.byID {
			if !selected(one) {
				continue
			}
			if count == 0 || one.used.Before(s.byID[oldest].used) {
				oldest = hash
			}
			count++
		}
		if count <= limit {
			return
		}
		delete(s.byID, oldest)
	}
}

func (s *session) ended(now time.Time) bool {
	return now.Sub(s.used) >= idleTime || now.Sub(s.begun) >= longestTime
}

// find returns the session of the request and notes that it is in use, or nil. A request
// with two cookies of the name has none: one of them is somebody else's.
func (s *sessions) find(r *http.Request, now time.Time) *session {
	hash, ok := hashIn(r)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byID[hash]
	if one == nil {
		return nil
	}
	if one.ended(now) {
		delete(s.byID, hash)
		return nil
	}
	one.used = now
	return one
}

// end ends the session of the request, if it has one.
func (s *sessions) end(r *http.Request) {
	if hash, ok := hashIn(r); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.byID, hash)
	}
}

func hashIn(r *http.Request) (hash sessionHash, ok bool) {
	cookies := r.CookiesNamed(cookieName(r))
	if len(cookies) != 1 || cookies[0].Value == "" {
		return hash, false
	}
	return sha256.Sum256([]byte(cookies[0].Value)), true
}

// isSecure reports whether the browser must send the cookie by HTTPS only. A proxy may
// end TLS, so that is assumed for every host but this machine, and also for this machine if
// the proxy names it as the host and says that the browser came by HTTPS. A client that
// says so itself gets only a cookie that it must send by HTTPS.
func isSecure(r *http.Request) bool {
	return r.TLS != nil || !web.IsLoopbackHost(r) || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func cookieName(r *http.Request) string {
	if isSecure(r) {
		return cookieSecure
	}
	return cookiePlain
}

// setCookie sets the cookie of the session, or deletes it if the id is empty. By HTTPS
// its name has the prefix __Host-, so that no other host of the domain can set it, which
// requires the path "/"; the API takes no cookies.
func setCookie(w http.ResponseWriter, r *http.Request, id string) {
	cookie := &http.Cookie{ //nolint:gosec // it is secure except on the loopback by HTTP, where browsers drop secure cookies
		Name: cookieName(r), Value: id, Path: Root, Secure: isSecure(r), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if cookie.Secure {
		cookie.Path = "/"
	}
	if id == "" {
		cookie.MaxAge = -1
	}
	w.Header().Add("Set-Cookie", cookie.String())
}
