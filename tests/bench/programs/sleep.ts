/** Sleeps for ever: the lower bound of what a waiting program costs. */
setInterval(() => {}, 60_000);
