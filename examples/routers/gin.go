package routers

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin returns a guard as gin middleware for a route, a group or the whole
// engine. In describe, r.Pattern is the pattern of the route, such as "POST
// /accounts/:id", and r.PathValue returns the parameters.
func Gin(protect func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Pattern = c.Request.Method + " " + c.FullPath()
		for _, parameter := range c.Params {
			c.Request.SetPathValue(parameter.Key, parameter.Value)
		}
		passed := false
		protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			passed = true
			own, request := c.Writer, c.Request
			defer func() { c.Writer, c.Request = own, request }()
			c.Writer, c.Request = &ginWriter{ResponseWriter: own, guarded: w}, r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort() // otherwise gin would still call the handler
		}
	}
}

// ginWriter writes through the guard's writer, so that the guard sees the
// response, and leaves the rest to gin's writer.
type ginWriter struct {
	gin.ResponseWriter

	guarded http.ResponseWriter
}

// Unwrap is for http.ResponseController.
func (w *ginWriter) Unwrap() http.ResponseWriter { return w.guarded }

// WriteHeader implements http.ResponseWriter.
func (w *ginWriter) WriteHeader(status int) { w.guarded.WriteHeader(status) }

// Write implements http.ResponseWriter.
func (w *ginWriter) Write(b []byte) (int, error) { return w.guarded.Write(b) }

// WriteString implements io.StringWriter.
func (w *ginWriter) WriteString(text string) (int, error) {
	return io.WriteString(w.guarded, text)
}

// Flush implements http.Flusher.
func (w *ginWriter) Flush() { _ = http.NewResponseController(w.guarded).Flush() }

// Hijack implements http.Hijacker.
func (w *ginWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.guarded).Hijack()
}
