/** The empty program, which shows the cost of the runtime itself. */
