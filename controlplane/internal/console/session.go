package console

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// The limits of sessions, which docs/limits.md lists.
const (
	idleTime    = 30 * time.Minute // a session ends when its operator asked for no page for so long
	longestTime = 12 * time.Hour   // it ends so long after the login in any case
	maxKeyed    = 10               // sessions of one key
	maxTenant   = 500              // sessions of one tenant
	maxSessions = 10_000           // sessions of all tenants
	maxFollowed = 4                // streams of events of one session at once
)

// sessions holds the sessions of operators, in memory only: they end with the process.
// The browser has the id of its session in a cookie; only a hash of it is kept here.
// Neither has the API key, of which a session knows the id.
//
// A session ends by logging out, after idleTime without a request, longestTime after the
// login, and when its key is revoked, which is checked at each request. When a key or a
// tenant has too many, its session that was idle longest ends; when all tenants together
// have too many, that of the tenant that has most. So no tenant can end the sessions of
// one that has fewer. The zero value is ready for use; it is safe for concurrent use.
type sessions struct {
	mu   sync.Mutex
	byID map[sessionHash]*session
}

type sessionHash = [sha256.Size]byte

// session is one login. used, notice, streams and over are guarded by sessions.mu; the
// rest does not change.
type session struct {
	keyID, tenant string
	csrf          string // a random text that each form of the session must have
	begun         time.Time

	used    time.Time
	notice  string        // what the next page says once: see notify
	streams int           // of events
	over    chan struct{} // closed when the session ends
}

// begin makes a session for the key of the caller and returns its id.
func (s *sessions) begin(c web.Caller, now time.Time) (id string) {
	id = rand.Text() + rand.Text() // 256 random bits
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[sessionHash]*session{}
	}
	for hash, one := range s.byID {
		if one.ended(now) {
			s.drop(hash)
		}
	}
	s.shrink(maxKeyed-1, func(one *session) bool { return one.keyID == c.KeyID })
	s.shrink(maxTenant-1, func(one *session) bool { return one.tenant == c.Tenant })
	if len(s.byID) >= maxSessions {
		largest := s.largestTenant()
		s.shrink(s.count(largest)-1, func(one *session) bool { return one.tenant == largest })
	}
	s.byID[sha256.Sum256([]byte(id))] = &session{
		keyID: c.KeyID, tenant: c.Tenant, csrf: rand.Text(), begun: now, used: now, over: make(chan struct{}),
	}
	return id
}

// shrink ends the sessions of those selected that were idle longest, until at most limit
// of them are left. The caller holds mu, as for the four methods that follow.
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
		s.drop(oldest)
	}
}

// largestTenant returns the tenant that has most sessions.
func (s *sessions) largestTenant() (largest string) {
	counts := map[string]int{}
	for _, one := range s.byID {
		counts[one.tenant]++
		if counts[one.tenant] > counts[largest] {
			largest = one.tenant
		}
	}
	return largest
}

func (s *sessions) count(tenant string) (n int) {
	for _, one := range s.byID {
		if one.tenant == tenant {
			n++
		}
	}
	return n
}

func (s *sessions) drop(hash sessionHash) {
	if one := s.byID[hash]; one != nil {
		close(one.over)
		delete(s.byID, hash)
	}
}

// of returns the session of the request, or nil. A request with two cookies of the name
// has none: one of them is somebody else's.
func (s *sessions) of(r *http.Request, now time.Time) *session {
	hash, ok := hashIn(r)
	if !ok {
		return nil
	}
	one := s.byID[hash]
	if one != nil && one.ended(now) {
		s.drop(hash)
		return nil
	}
	return one
}

func (s *session) ended(now time.Time) bool {
	return now.Sub(s.used) >= idleTime || now.Sub(s.begun) >= longestTime
}

// find returns the session of the request, or nil, and notes that it is in use. What a
// page asks for by itself does not count as use: an unattended page does not keep its
// session.
func (s *sessions) find(r *http.Request, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of(r, now)
	if one != nil && !isAutomatic(r) {
		one.used = now
	}
	return one
}

// end ends the session of the request, if it has one.
func (s *sessions) end(r *http.Request) {
	if hash, ok := hashIn(r); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(hash)
	}
}

// endAll ends all sessions of the key.
func (s *sessions) endAll(keyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shrink(0, func(one *session) bool { return one.keyID == keyID })
}

// keyed returns how many sessions the key has that have not ended.
func (s *sessions) keyed(keyID string, now time.Time) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.byID {
		if one.keyID == keyID && !one.ended(now) {
			n++
		}
	}
	return n
}

// notify makes the next page of the session show a text, once.
func (s *sessions) notify(r *http.Request, now time.Time, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.of(r, now); one != nil {
		one.notice = text
	}
}

// takeNotice returns the text of notify and forgets it. A request that a page makes by
// itself gets none.
func (s *sessions) takeNotice(r *http.Request, now time.Time) (text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.of(r, now); one != nil && !isAutomatic(r) {
		text, one.notice = one.notice, ""
	}
	return text
}

// follow counts a stream of the session of the request, until release is called. over is
// closed when the session ends by logging out or for another one. ok is false if the
// session has ended or has maxFollowed streams.
func (s *sessions) follow(r *http.Request, now time.Time) (over <-chan struct{}, release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.of(r, now)
	if one == nil || one.streams >= maxFollowed {
		return nil, nil, false
	}
	one.streams++
	return one.over, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		one.streams--
	}, true
}
