// Package routers shows how a guard stands in front of the handlers of gin, echo,
// chi and gorilla/mux. Copy what you need.
//
// chi and gorilla/mux take a func(http.Handler) http.Handler as it is:
//
//	router.Use(protect)                       // gorilla/mux, chi
//	router.With(protect).Get("/x", handler)   // chi, one route
//
// gin and echo have contexts and writers of their own, and need the code of this
// package:
//
//	router.POST("/transfers", routers.Gin(protect), transfer)
//	router.POST("/transfers", transfer, routers.Echo(protect))
//
// # The trap
//
// THE CODE THAT ONE WRITES FIRST FOR GIN RUNS THE HANDLER AFTER THE 403:
//
//	func(c *gin.Context) { // WRONG
//		protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			c.Request = r
//			c.Next()
//		})).ServeHTTP(c.Writer, c.Request)
//	}
//
// and so does gin.WrapH(protect(handler)) with other handlers behind it: gin goes
// on to the next handler unless somebody calls c.Abort(). The guard answers 403
// through c.Writer, which gin does not take for an end. Besides, the handler
// writes through c.Writer and not through the guard's writer, so that the guard
// does not see what it answers: its outcome is unknown.
//
// echo stops by itself, but an error that a handler returns becomes an answer
// only after the guard has ended, so that echo.WrapMiddleware(protect) gives
// unknown outcomes for it.
//
// The tests show the traps, and that this code does not fall into them.
package routers
