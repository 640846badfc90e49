/** In which style a chapter draws its example: the wanted one, where the model has it, or its first. */
export const exampleStyle = ({ model }, wanted) => (model.styles.includes(wanted) ? wanted : model.styles[0] ?? null);
