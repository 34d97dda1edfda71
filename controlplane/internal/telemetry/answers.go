package telemetry

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/fair"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The bounds of the answers that are kept. Those of the key that has most go
// first, in the tenant that has most, the oldest of them first.
const (
	AnswerLife     = 10 * time.Minute
	MaxAnswers     = 20_000
	MaxAnswerBytes = 64 << 20 // of bodies
	MaxAnswer      = 1 << 20  // one body
)

// answerBounds are those bounds. What has expired is deleted up to the portion,
// or as many rows as are added.
var answerBounds = bounds{rows: MaxAnswers, cost: MaxAnswerBytes, age: AnswerLife, portion: 1000}

const answersTable = "answers"

// Answer is the first answer to a request that carried an Idempotency-Key.
type Answer struct {
	Owner   fair.Owner        // whose key it was
	Scope   [sha256.Size]byte // the hash of what the key stands for: never the key itself
	Request [sha256.Size]byte // the hash of the request's body
	At      time.Time         // when it was given; kept in milliseconds
	Status  int
	Header  map[string][]string
	Body    []byte
}

// KeepAnswer stores the answer and returns when it is committed. Answers have a
// bound of their own on what waits, and go before telemetry. Errors are those of
// Append.
func (s *Store) KeepAnswer(ctx context.Context, answer Answer) error {
	if len(answer.Body) > MaxAnswer {
		return fmt.Errorf("telemetry: an answer of %d bytes is too large to be kept", len(answer.Body))
	}
	header, err := strictjson.Marshal(answer.Header)
	if err != nil {
		return fmt.Errorf("telemetry: an answer's header: %w", err)
	}
	if answer.Body == nil {
		answer.Body = []byte{} // which is not NULL
	}
	row := &answerRow{Answer: answer, header: string(header)}
	return s.submit(ctx, &request{tenant: answer.Owner.Tenant, answer: row, cost: int64(len(answer.Body)+len(header)) + rowCost})
}

// answerRow is an answer on its way to the file.
type answerRow struct {
	Answer

	header string
}

// Answers gives the answers from since on that are in the file, the oldest
// first. It ends with the first error.
func (s *Store) Answers(ctx context.Context, since time.Time) iter.Seq2[Answer, error] {
	return func(yield func(Answer, error) bool) {
		rows, err := s.reader.QueryContext(ctx, "SELECT tenant, key_id, received, scope, request, status, header, body FROM answers WHERE received >= ? ORDER BY seq", since.UnixMilli())
		if err != nil {
			yield(Answer{}, readError(ctx, err))
			return
		}
		defer rows.Close() //nolint:errcheck // rows.Err tells
		for rows.Next() {
			answer, err := scanAnswer(rows)
			if !yield(answer, readError(ctx, err)) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Answer{}, readError(ctx, err))
		}
	}
}

func scanAnswer(rows *sql.Rows) (answer Answer, err error) {
	var received int64
	var scope, request []byte
	var header string
	if err := rows.Scan(&answer.Owner.Tenant, &answer.Owner.Key, &received, &scope, &request, &answer.Status, &header, &answer.Body); err != nil {
		return answer, err
	}
	if len(scope) != sha256.Size || len(request) != sha256.Size {
		return answer, errors.New("an answer's hash has another length than a hash")
	}
	if err := strictjson.Unmarshal([]byte(header), &answer.Header); err != nil {
		return answer, fmt.Errorf("an answer's header: %w", err)
	}
	answer.Scope, answer.Request, answer.At = [sha256.Size]byte(scope), [sha256.Size]byte(request), time.UnixMilli(received)
	return answer, nil
}

const insertAnswer = "INSERT OR ROLLBACK INTO answers (seq, received, cost, scope, request, status, header, body, tenant, key_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

// keepAnswers stores the answers among the requests and deletes what is beyond
// the bounds: with new answers, and in a quiet minute. It reports whether it
// changed anything.
func (s *Store) keepAnswers(ctx context.Context, tx *sql.Tx, batch []*request, now time.Time) (bool, error) {
	answers := make([]*answerRow, 0, len(batch))
	for _, r := range batch {
		if r.answer != nil {
			answers = append(answers, r.answer)
		}
	}
	if len(answers) == 0 && len(batch) > 0 {
		return false, nil
	}
	insert := tx.StmtContext(ctx, s.inserts.answer)
	defer insert.Close() //nolint:errcheck // of the transaction; the prepared one stays
	u, b := &s.answers, s.answerBounds
	for _, a := range answers {
		size := int64(len(a.Body))
		u.lastSeq++
		u.rows++
		u.cost += size
		if _, err := insert.ExecContext(ctx, u.lastSeq, a.At.UnixMilli(), size, a.Scope[:], a.Request[:], a.Status, a.header, a.Body, a.Owner.Tenant, a.Owner.Key); err != nil {
			return false, err
		}
		s.ledger.Add(a.Owner, kept{u.lastSeq, size}, size, a.At)
	}
	trimmed, err := s.trimAnswers(ctx, tx, u, max(b.portion, len(answers)), now)
	return trimmed || len(answers) > 0, err
}

// kept is an answer in the file.
type kept struct{ seq, cost int64 }

// trimAnswers deletes what has expired, up to the portion, and what is beyond
// the bounds.
func (s *Store) trimAnswers(ctx context.Context, tx *sql.Tx, u *usage, portion int, now time.Time) (changed bool, err error) {
	for expired := 0; ; expired++ {
		old, ok := kept{}, false
		if s.answerBounds.age > 0 && expired < portion {
			old, ok = s.ledger.Expire(now.Add(-s.answerBounds.age).Truncate(time.Millisecond))
		}
		if !ok {
			old, ok = s.ledger.Evict(fair.Bounds{Rows: s.answerBounds.rows, Cost: s.answerBounds.cost})
		}
		if !ok {
			return changed, nil
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM answers WHERE seq = ?", old.seq); err != nil {
			return false, err
		}
		u.rows, u.cost, u.trimmed, changed = u.rows-1, u.cost-old.cost, u.trimmed+1, true
	}
}

// loadLedger reads whose the answers in the file are.
func (s *Store) loadLedger(ctx context.Context) error {
	s.ledger = fair.Ledger[kept]{}
	rows, err := s.writer.QueryContext(ctx, "SELECT seq, tenant, key_id, cost, received FROM answers ORDER BY seq")
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var k kept
		var owner fair.Owner
		var received int64
		if err := rows.Scan(&k.seq, &owner.Tenant, &owner.Key, &k.cost, &received); err != nil {
			return err
		}
		s.ledger.Add(owner, k, k.cost, time.UnixMilli(received))
	}
	return rows.Err()
}
