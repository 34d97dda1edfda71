package policy

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// maxLastAllows is the maximum number of requests whose last allow is known.
const maxLastAllows = 4096

// lastAllows has the requests that the control plane has allowed, by their digest. The
// one that was used the longest ago is forgotten first. The zero value is empty.
type lastAllows struct {
	mu    sync.Mutex
	found map[aureus.Digest]*list.Element
	order list.List // of lastAllow, the newest first
}

type lastAllow struct {
	question aureus.Digest
	bundle   aureus.Digest // by which it was allowed
	at       time.Time
}

func (l *lastAllows) remember(question aureus.Digest, bundle *Bundle, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == nil {
		l.found = map[aureus.Digest]*list.Element{}
	}
	if old := l.found[question]; old != nil {
		l.order.Remove(old)
	}
	l.found[question] = l.order.PushFront(lastAllow{question: question, bundle: bundle.digest, at: at})
	if l.order.Len() > maxLastAllows {
		l.drop(l.order.Back())
	}
}

// forget removes a request that the control plane does not allow any more.
func (l *lastAllows) forget(question aureus.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.found[question]; old != nil {
		l.drop(old)
	}
}

func (l *lastAllows) drop(element *list.Element) {
	if old, ok := l.order.Remove(element).(lastAllow); ok {
		delete(l.found, old.question)
	}
}

// holds reports whether the control plane has allowed the request by this bundle, not
// longer ago than the bundle permits.
func (l *lastAllows) holds(question aureus.Digest, bundle *Bundle, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	element := l.found[question]
	if element == nil {
		return false
	}
	last, ok := element.Value.(lastAllow)
	if !ok || last.bundle != bundle.digest || now.Before(last.at) || now.Sub(last.at) > bundle.lastAllow {
		l.drop(element)
		return false
	}
	l.order.MoveToFront(element)
	return true
}

// mayRepeat reports whether the last known allow of the request may be used while the
// control plane does not answer: the bundle permits it for its tier, no person has to
// approve it, and nothing that decides on it reads the time.
func (s *state) mayRepeat(v *Evaluation) bool {
	b := s.bundle
	if b.lastAllow <= 0 || v.Decision.Effect != aureus.Allow || v.Decision.RiskTier != aureus.TierLow {
		return false
	}
	a := b.actions[v.Decision.ActionID]
	return a != nil && !b.readsTime(a)
}

// readsTime reports whether an expression that decides on the action can read the time.
func (b *Bundle) readsTime(a *action) bool {
	return slices.ContainsFunc(b.conditionsOf(a), func(c *condition) bool { return c.program.ReadsTime() }) ||
		slices.ContainsFunc(a.budgets, func(b *budget) bool { return b.sum != nil && b.sum.program.ReadsTime() })
}
