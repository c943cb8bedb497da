    case 4:
        return 2 * (c->weights[i / 2] >> (i % 2 * 4) & 15) - 15;
